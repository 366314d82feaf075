#include "rls/path.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace quota::rls {
namespace {

std::string normal(std::string_view raw) {
  std::string room = "what was there before";
  return std::string(normalized(raw, room));
}

struct Case {
  std::string_view raw;
  std::string_view expected;
};

class Path : public testing::TestWithParam<Case> {};

TEST_P(Path, IsWhatNginxWouldShow) { EXPECT_EQ(normal(GetParam().raw), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(
    Paths, Path,
    testing::Values(Case{"/identify", "/identify"}, Case{"/", "/"}, Case{"", ""}, Case{"*", "*"},
                    Case{"/a?b=/../c", "/a"}, Case{"/a#b", "/a"}, Case{"?x", ""},
                    Case{"/%63ompare", "/compare"}, Case{"/%2fa", "/a"}, Case{"/a%2Fb", "/a/b"},
                    Case{"/a%3Fb", "/a?b"}, Case{"/a%23b", "/a#b"}, Case{"/100%25", "/100%"},
                    Case{"/%2525", "/%25"}, Case{"/%zz%4", "/%zz%4"}, Case{"/%00", "/%00"},
                    Case{"//a///b//", "/a/b/"}, Case{"/a/./b", "/a/b"}, Case{"/a/.", "/a/"},
                    Case{"/a/../b", "/b"}, Case{"/a/..", "/"}, Case{"/a/b/..", "/a/"},
                    Case{"/../../a", "/a"}, Case{"/..", "/"}, Case{"/.", "/"},
                    Case{"/a/%2e%2E/b", "/b"}, Case{"/.well-known", "/.well-known"},
                    Case{"/a..b/...", "/a..b/..."}));

RC_GTEST_PROP(PathProperty, IsNormalOnceItIsNormalized, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("/", ".", "..", "a", "%2e", "%2F", "%", "%41", "b"));
  std::string raw = "/";
  for (const std::string& piece : pieces) raw += piece;
  const std::string path = normal(raw);
  RC_ASSERT(path.starts_with('/'));
  RC_ASSERT(path.find("//") == std::string::npos);
  RC_ASSERT(path.find("/../") == std::string::npos);
  RC_ASSERT(path.find("/./") == std::string::npos);
  RC_ASSERT(!path.ends_with("/.."));
  RC_ASSERT(!path.ends_with("/."));
  RC_ASSERT(path.size() <= raw.size());
}

}  // namespace
}  // namespace quota::rls
