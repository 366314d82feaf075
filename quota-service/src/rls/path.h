#pragma once

#include <string>
#include <string_view>

namespace quota::rls {

// A request's path as nginx would show it to the price list: without query and fragment, percent
// signs decoded, slashes merged, "." and ".." resolved. ".." above the root stays at the root, and
// what is no valid escape, or that of a zero byte, stays as it is; nginx refuses such requests.
// `room` is used when the path has to be changed.
std::string_view normalized(std::string_view raw, std::string& room);

}  // namespace quota::rls
