#include "admin/page.h"

#include <fmt/format.h>

#include <string_view>

#include "absl/strings/escaping.h"
#include "admin/texts.h"
#include "base/sha256.h"

namespace quota::admin {
namespace {

// Puts `text` in the place of `mark`, and returns how a Content-Security-Policy names it.
std::string put_in(std::string& document, std::string_view mark, std::string_view text) {
  document.replace(document.find(mark), mark.size(), text);
  const Sha256 digest = sha256(text);
  return "sha256-" + absl::Base64Escape(std::string(digest.begin(), digest.end()));
}

}  // namespace

Page::Page() : document_(kPageHtml) {
  const std::string style = put_in(document_, "/* page.css */", kPageCss);
  const std::string script = put_in(document_, "/* page.js */", kPageJs);
  security_policy_ = fmt::format(
      "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; base-uri 'none'; "
      "frame-ancestors 'none'; form-action 'none'",
      script, style);
}

Reply Page::get() const {
  return {.status = 200,
          .content_type = "text/html; charset=utf-8",
          .body = document_,
          .headers = {{"Content-Security-Policy", security_policy_},
                      {"Referrer-Policy", "no-referrer"},
                      {"X-Frame-Options", "DENY"},
                      {"Cross-Origin-Opener-Policy", "same-origin"}}};
}

}  // namespace quota::admin
