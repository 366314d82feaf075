#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>

namespace quota::store {

// For tests: SQLite's own view of the file system, except that writing fails on demand with the
// code that a real disk gives, and that the number of times is counted.
class FaultyDisk {
 public:
  // Puts itself between SQLite and the system for every file that is opened from now on.
  static FaultyDisk& install() {
    static FaultyDisk disk;
    return disk;
  }

  // SQLITE_OK, or what writes return from now on: SQLITE_FULL, SQLITE_IOERR_WRITE…
  void fail_writes_with(int code) { fail_writes_after(0, code); }
  // As a disk that is nearly full: `bytes` more can be written.
  void fail_writes_after(int64_t bytes, int code) {
    write_result_ = code;
    room_ = bytes;
  }
  int failed_writes() const { return failed_writes_; }
  int syncs() const { return syncs_; }

 private:
  FaultyDisk() {
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.zName = "faulty";
    vfs_.xOpen = open;
    sqlite3_vfs_register(&vfs_, 1);
  }

  // The file is the real one with some of its methods exchanged, so everything else about it,
  // locks and shared memory above all, stays what SQLite expects.
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    FaultyDisk& disk = install();
    const int code = disk.real_->xOpen(disk.real_, name, file, flags, out_flags);
    if (file->pMethods == nullptr) return code;
    const std::lock_guard lock(disk.mutex_);
    const sqlite3_io_methods* real = file->pMethods;
    auto [methods, added] = disk.methods_.try_emplace(real, *real);
    if (added) {
      disk.real_write_ = real->xWrite;
      disk.real_sync_ = real->xSync;
      methods->second.xWrite = write;
      methods->second.xSync = sync;
    }
    file->pMethods = &methods->second;
    return code;
  }

  static int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    FaultyDisk& disk = install();
    const int result = disk.write_result_;
    if (result == SQLITE_OK || (disk.room_ -= size) >= 0)
      return disk.real_write_.load()(file, data, size, offset);
    ++disk.failed_writes_;
    return result;
  }

  static int sync(sqlite3_file* file, int flags) {
    FaultyDisk& disk = install();
    ++disk.syncs_;
    return disk.real_sync_.load()(file, flags);
  }

  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs vfs_{};
  std::mutex mutex_;
  std::map<const sqlite3_io_methods*, sqlite3_io_methods> methods_;
  // The methods of all kinds of files on one system share these two.
  std::atomic<decltype(sqlite3_io_methods::xWrite)> real_write_{nullptr};
  std::atomic<decltype(sqlite3_io_methods::xSync)> real_sync_{nullptr};
  std::atomic<int> write_result_{SQLITE_OK};
  std::atomic<int64_t> room_{0};
  std::atomic<int> failed_writes_{0};
  std::atomic<int> syncs_{0};
};

}  // namespace quota::store
