#include "front/visitor.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstdint>

#include "gateway_mark.h"

namespace quota::front {
namespace {

constexpr std::string_view kPreface{NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN};
constexpr size_t kFrameHeader = 9;
constexpr size_t kEntry = 6;
constexpr size_t kMostSettings = kVisitorBytes - NGHTTP2_CLIENT_MAGIC_LEN - kFrameHeader;

uint32_t number(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

}  // namespace

Visitor recognize(std::string_view begin) {
  const size_t common = std::min(begin.size(), kPreface.size());
  if (begin.substr(0, common) != kPreface.substr(0, common)) return Visitor::kOther;
  if (begin.size() < kPreface.size() + kFrameHeader) return Visitor::kUnknownYet;
  begin.remove_prefix(kPreface.size());

  const size_t length = number(begin.substr(0, 3));
  const bool is_settings = begin[3] == NGHTTP2_SETTINGS;
  if (!is_settings || length > kMostSettings) return Visitor::kOther;
  begin.remove_prefix(kFrameHeader);
  if (begin.size() < length) return Visitor::kUnknownYet;
  for (size_t at = 0; at + kEntry <= length; at += kEntry) {
    if (number(begin.substr(at, 2)) == kGatewaySetting &&
        number(begin.substr(at + 2, 4)) == kGatewayVersion) {
      return Visitor::kGateway;
    }
  }
  return Visitor::kOther;
}

}  // namespace quota::front
