#include "rls/request.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/ip.h"
#include "rls/path.h"
#include "wire_reader.h"

namespace quota::rls {
namespace {

constexpr size_t kMaxMethodBytes = 64;

constexpr uint32_t bytes_field(uint32_t number) { return wire_key(number, WireType::kBytes); }
constexpr uint32_t number_field(uint32_t number) { return wire_key(number, WireType::kVarint); }

// Field numbers of envoy.service.ratelimit.v3 and what it uses. A field of an unexpected wire type
// is skipped like an unknown one.
constexpr uint32_t kDomain = bytes_field(1);
constexpr uint32_t kDescriptors = bytes_field(2);
constexpr uint32_t kRequestHits = number_field(3);
constexpr uint32_t kEntries = bytes_field(1);
constexpr uint32_t kDescriptorHits = bytes_field(3);
constexpr uint32_t kKey = bytes_field(1);
constexpr uint32_t kValue = bytes_field(2);
constexpr uint32_t kWrapped = number_field(1);  // of google.protobuf.UInt64Value

bool read_wrapped(std::string_view message, uint64_t& value) {
  value = 0;
  WireReader reader(message);
  while (reader.next()) {
    if (reader.key() == kWrapped) {
      value = reader.number();
    } else {
      reader.skip();
    }
  }
  return reader.ok();
}

// No hits at all: what would one be told?
void set_hits(identity::Check& check, uint64_t hits) {
  check.peek = hits == 0;
  check.hits =
      static_cast<uint32_t>(std::clamp<uint64_t>(hits, 1, std::numeric_limits<uint32_t>::max()));
}

}  // namespace

std::string to_sentence(Fault fault) {
  switch (fault) {
    case Fault::kDomain:
      return absl::StrCat("the request must name a domain of at most ", kMaxNameBytes, " bytes");
    case Fault::kNoDescriptors:
      return "the request has no descriptors: send at least one";
    case Fault::kManyDescriptors:
      return absl::StrCat("the request has too many descriptors: send at most ", kMaxDescriptors);
    case Fault::kNoEntries:
      return "a descriptor has no entries: give each at least one";
    case Fault::kManyEntries:
      return absl::StrCat("a descriptor has too many entries: give each at most ", kMaxEntries);
    case Fault::kKey:
      return absl::StrCat("the key of a descriptor's entry must have 1 to ", kMaxNameBytes,
                          " bytes");
    case Fault::kMalformed:
    case Fault::kNone:
      break;
  }
  return "the request could not be read: send envoy.service.ratelimit.v3.RateLimitRequest";
}

Fault RequestReader::read(std::string_view message) {
  size_ = 0;
  std::string_view domain;
  uint32_t hits = 0;
  WireReader reader(message);
  while (reader.next()) {
    switch (reader.key()) {
      case kDomain:
        domain = reader.bytes();
        break;
      case kDescriptors: {
        if (size_ == kMaxDescriptors) return Fault::kManyDescriptors;
        Descriptor& descriptor = descriptors_[size_];
        if (const Fault fault = read_descriptor(reader.bytes(), descriptor);
            fault != Fault::kNone) {
          return fault;
        }
        descriptor.check.id = size_++;
        break;
      }
      case kRequestHits:
        hits = static_cast<uint32_t>(reader.number());
        break;
      default:
        reader.skip();
    }
  }
  if (!reader.ok()) return Fault::kMalformed;
  if (domain.empty() || domain.size() > kMaxNameBytes) return Fault::kDomain;
  if (size_ == 0) return Fault::kNoDescriptors;
  for (size_t i = 0; i < size_; ++i) {
    Descriptor& descriptor = descriptors_[i];
    descriptor.check.attributes.push_back({"domain", domain});
    if (!descriptor.has_hits) set_hits(descriptor.check, std::max<uint32_t>(hits, 1));
  }
  return Fault::kNone;
}

Fault RequestReader::read_descriptor(std::string_view message, Descriptor& descriptor) {
  descriptor.check.clear();
  descriptor.has_hits = false;
  size_t entries = 0;
  WireReader reader(message);
  while (reader.next()) {
    switch (reader.key()) {
      case kEntries:
        if (++entries > kMaxEntries) return Fault::kManyEntries;
        if (const Fault fault = read_entry(reader.bytes(), descriptor); fault != Fault::kNone) {
          return fault;
        }
        break;
      case kDescriptorHits: {
        uint64_t hits;
        if (!read_wrapped(reader.bytes(), hits)) return Fault::kMalformed;
        set_hits(descriptor.check, hits);
        descriptor.has_hits = true;
        break;
      }
      default:
        reader.skip();
    }
  }
  if (!reader.ok()) return Fault::kMalformed;
  return entries == 0 ? Fault::kNoEntries : Fault::kNone;
}

Fault RequestReader::read_entry(std::string_view message, Descriptor& descriptor) {
  std::string_view key;
  std::string_view value;
  WireReader reader(message);
  while (reader.next()) {
    switch (reader.key()) {
      case kKey:
        key = reader.bytes();
        break;
      case kValue:
        value = reader.bytes().substr(0, kMaxValueBytes);
        break;
      default:
        reader.skip();
    }
  }
  if (!reader.ok()) return Fault::kMalformed;
  if (key.empty() || key.size() > kMaxNameBytes) return Fault::kKey;
  identity::Check& check = descriptor.check;
  if (key == "path") {
    check.path = normalized(value, descriptor.path);
  } else if (key == "method") {
    check.method = value.substr(0, kMaxMethodBytes);
  } else if (key == "api_key") {
    check.api_key = value;
  } else if (key == "remote_address") {
    check.client_ip = {};
    if (const auto address = IpAddress::parse(value)) {
      const std::string_view bytes = address->bytes();
      std::ranges::copy(bytes, descriptor.address.begin());
      check.client_ip = {descriptor.address.data(), bytes.size()};
    }
  } else if (key == "bearer" || key == "authorization") {
    check.bearer = value;
  } else if (key == "consumer") {
    check.consumer = value;
  } else if (key == "tier") {
    check.tier = value;
  } else {
    check.attributes.push_back({key, value});
  }
  return Fault::kNone;
}

}  // namespace quota::rls
