#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace quota::policy {

// Calls `changed` on a thread of its own whenever the content of the file at `path` is new. It
// watches the directory, so a ConfigMap's swap of `..data` and an editor's rename are both seen,
// and reads the file every `poll_ms` beneath that, for file systems that send no notice.
//
// Content counts when two readings some milliseconds apart agree, so that nobody gets half a file.
// A file that is gone or empty is not new content: it is on its way out or in.
//
// What the file holds at construction is not new: construct first, then load, and nothing is
// missed.
class Watcher {
 public:
  enum class Notices { kOn, kOff };  // kOff: by reading alone, as where inotify does not work

  Watcher(std::string path, int poll_ms, std::function<void()> changed,
          Notices notices = Notices::kOn);
  ~Watcher();  // waits for a call of `changed` that is under way
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // How often the file was read.
  uint64_t readings() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quota::policy
