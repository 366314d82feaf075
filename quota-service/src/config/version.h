#pragma once

#include <string_view>

namespace quota {

// What --version and quota_build_info say; the same as project(VERSION) in CMakeLists.txt.
inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace quota
