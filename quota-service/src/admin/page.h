#pragma once

#include <string>

#include "admin/http.h"

namespace quota::admin {

// The live page: one document that loads nothing and runs nothing but itself. Made of the files in
// page/.
class Page {
 public:
  Page();
  Reply get() const;

 private:
  std::string document_;
  std::string security_policy_;
};

}  // namespace quota::admin
