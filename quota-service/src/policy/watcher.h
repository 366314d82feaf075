#pragma once

#include <functional>
#include <memory>
#include <string>

namespace quota::policy {

// Calls `changed` on a thread of its own whenever the content of the file at `path` may be new. It
// watches the directory, so a ConfigMap's swap of `..data` and an editor's rename are both seen,
// and compares the content every `poll_ms` beneath that, for file systems that send no notice.
class Watcher {
 public:
  Watcher(std::string path, int poll_ms, std::function<void()> changed);
  ~Watcher();  // stops and joins
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quota::policy
