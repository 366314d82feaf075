#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "identity/check.h"

namespace quota::rls {

// What a request may hold. All of it is up to who configured the gateway. Values may come from
// strangers and are cut instead: a request that is refused for what a stranger sent might be let
// pass by a gateway that fails open.
inline constexpr size_t kMaxDescriptors = 32;
inline constexpr size_t kMaxEntries = 32;  // of a descriptor
inline constexpr size_t kMaxNameBytes = 256;
inline constexpr size_t kMaxValueBytes = 16 * 1024;

enum class Fault {
  kNone,
  kMalformed,
  kDomain,
  kNoDescriptors,
  kManyDescriptors,
  kNoEntries,
  kManyEntries,
  kKey,
};
// One sentence for who sent the request.
std::string to_sentence(Fault fault);

// A RateLimitRequest, read in place: each descriptor is a check. Reused.
class RequestReader {
 public:
  RequestReader() : descriptors_(kMaxDescriptors) {}

  // Afterwards there are size() checks, whose views point into the message and into this; the id of
  // each is its place.
  Fault read(std::string_view message);

  size_t size() const { return size_; }
  const identity::Check& operator[](size_t i) const { return descriptors_[i].check; }

 private:
  struct Descriptor {
    identity::Check check;
    bool has_hits = false;  // of its own
    std::array<char, 16> address = {};
    std::string path;  // where it had to be changed
  };
  static Fault read_descriptor(std::string_view message, Descriptor& descriptor);
  static Fault read_entry(std::string_view message, Descriptor& descriptor);

  std::vector<Descriptor> descriptors_;
  size_t size_ = 0;
};

}  // namespace quota::rls
