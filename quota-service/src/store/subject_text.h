#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace quota::store {

// A subject as it is written to the file, for people to read: "c:acme" as it is, and an anonymous
// one, whose address is raw bytes, with the address in hexadecimal: "a:c0000201".
std::string subject_to_text(std::string_view subject);
// Nothing when no subject is written so.
std::optional<std::string> subject_from_text(std::string_view text);

}  // namespace quota::store
