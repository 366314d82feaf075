#include "store/state_file.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "store/test_support.h"

namespace quota::store {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string refusal(const std::string& path) {
  const absl::StatusOr<std::unique_ptr<StateFile>> file = StateFile::open(path);
  return file.ok() ? "" : std::string(file.status().message());
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const std::string& path, std::streamoff offset, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(offset);
  file << bytes;
}

constexpr uid_t kNobody = 65'534;

// What `path` is refused with to a user who is not root, for whom permissions count.
std::string refusal_to_ordinary_user(const std::string& path) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 &&
        (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)) {
      _exit(1);
    }
    const std::string sentence = refusal(path);
    _exit(write(ends[1], sentence.data(), sentence.size()) < 0 ? 1 : 0);
  }
  close(ends[1]);
  std::string sentence(4096, '\0');
  const ssize_t size = read(ends[0], sentence.data(), sentence.size());
  close(ends[0]);
  waitpid(child, nullptr, 0);
  sentence.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return sentence;
}

class StateFileTest : public testing::Test {
 protected:
  // A file as a quotad leaves it.
  void make() { ASSERT_EQ(refusal(path_), ""); }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("state.db");
};

TEST_F(StateFileTest, a_new_file_is_for_its_owner_alone) {
  const absl::StatusOr<std::unique_ptr<StateFile>> file = StateFile::open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->database().execute("INSERT INTO room VALUES(x'00')").ok());
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat info {};
    ASSERT_EQ(stat((path_ + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777, 0600) << suffix;
  }
}

TEST_F(StateFileTest, a_clean_close_leaves_one_file_and_the_lock) {
  make();
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));
  EXPECT_EQ(refusal(path_), "");
}

TEST_F(StateFileTest, an_empty_file_is_taken_as_new) {
  write_file(path_, "");
  EXPECT_EQ(refusal(path_), "");
}

TEST_F(StateFileTest, a_url_without_a_file_is_refused) {
  EXPECT_EQ(refusal(""), "the store's URL names no file; write local:///var/lib/quotad/state.db");
}

TEST_F(StateFileTest, a_directory_is_refused) {
  const std::string directory = directory_.path().string();
  EXPECT_EQ(refusal(directory), directory + " is a directory; name a file as the store, such as " +
                                    directory + "/state.db");
}

TEST_F(StateFileTest, a_missing_directory_is_refused) {
  const std::string directory = (directory_.path() / "not-there").string();
  EXPECT_EQ(refusal(directory + "/state.db"),
            "the store's directory " + directory +
                " does not exist; create it, owned by the user that quotad runs as");
}

TEST_F(StateFileTest, a_directory_where_nothing_can_be_created_is_refused) {
  EXPECT_EQ(refusal("/proc/state.db"),
            "cannot write /proc/state.db.lock: No such file or directory; the user that quotad "
            "runs as must be able to write it, and to create files in /proc");
}

TEST_F(StateFileTest, a_directory_of_somebody_else_is_refused) {
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0555));
  EXPECT_EQ(refusal_to_ordinary_user(path_),
            "cannot write " + path_ +
                ".lock: Permission denied; the user that quotad runs as must be able to write it, "
                "and to create files in " +
                directory_.path().string());
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
}

TEST_F(StateFileTest, a_file_of_somebody_else_is_refused) {
  make();
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0777));
  std::filesystem::permissions(path_, std::filesystem::perms(0400));
  std::filesystem::permissions(path_ + ".lock", std::filesystem::perms(0666));
  EXPECT_EQ(refusal_to_ordinary_user(path_),
            "cannot write " + path_ +
                ": Permission denied; the user that quotad runs as must be able to write it, and "
                "to create files in " +
                directory_.path().string());
}

TEST_F(StateFileTest, a_file_that_is_no_database_is_refused_and_left_alone) {
  const std::string content = "version: 1\ntiers:\n  free: {requests_per_minute: 100}\n";
  write_file(path_, content);
  EXPECT_EQ(refusal(path_), path_ +
                                " is not a state file of quotad and is left as it is; name another "
                                "file as the store, or move this one away");
  EXPECT_EQ(read_file(path_), content);
}

TEST_F(StateFileTest, a_device_is_refused) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(refusal(path_), StartsWith(path_ + " is not a state file of quotad"));
}

TEST_F(StateFileTest, a_database_of_another_program_is_refused_and_left_alone) {
  {
    std::ofstream(path_).close();
    absl::StatusOr<Database> other = Database::open(path_);
    ASSERT_TRUE(other.ok());
    ASSERT_TRUE(other->execute("CREATE TABLE month(mark)").ok());
  }
  const std::string content = read_file(path_);
  EXPECT_EQ(refusal(path_), path_ +
                                " is not a state file of quotad and is left as it is; name another "
                                "file as the store, or move this one away");
  EXPECT_EQ(read_file(path_), content);
}

TEST_F(StateFileTest, a_file_of_a_newer_quotad_is_refused) {
  make();
  {
    absl::StatusOr<Database> database = Database::open(path_);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database->execute("PRAGMA user_version = 7").ok());
  }
  EXPECT_EQ(refusal(path_),
            path_ +
                " was written by a newer quotad (its version is 7, this quotad knows 1); run that "
                "quotad, or name another file as the store");
}

TEST_F(StateFileTest, a_file_held_by_another_quotad_is_refused) {
  const auto held = StateFile::open(path_);
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(refusal(path_), path_ +
                                " is held by another quotad; stop that one, or give this one a "
                                "store of its own");
}

TEST_F(StateFileTest, another_name_of_a_held_file_is_refused_too) {
  const auto held = StateFile::open(path_);
  const std::string alias = directory_.file("alias.db");
  std::filesystem::create_symlink("state.db", alias);
  EXPECT_THAT(refusal(alias), StartsWith(alias + " is held by another quotad"));
}

TEST_F(StateFileTest, a_killed_quotad_holds_nothing) {
  live_and_be_killed([&] {
    const auto held = StateFile::open(path_);
    raise(SIGKILL);
  });
  EXPECT_EQ(refusal(path_), "");
}

TEST_F(StateFileTest, a_truncated_file_is_refused_as_damaged) {
  make();
  std::filesystem::resize_file(path_, 8192);
  EXPECT_THAT(refusal(path_), StartsWith(path_ + " is damaged ("));
  EXPECT_THAT(refusal(path_), HasSubstr("; put a backup in its place, or move " + path_ + " and " +
                                        path_ + "-wal away to start with empty counts"));
}

TEST_F(StateFileTest, a_file_cut_within_its_header_is_refused) {
  make();
  std::filesystem::resize_file(path_, 40);
  EXPECT_THAT(refusal(path_), StartsWith(path_ + " is not a state file of quotad"));
}

TEST_F(StateFileTest, a_file_with_a_page_of_rubbish_is_refused_as_damaged) {
  make();
  // Any page must do: the first after its header, then each of the others.
  const auto pages = static_cast<std::streamoff>(std::filesystem::file_size(path_) / 4096);
  const std::string intact = read_file(path_);
  for (std::streamoff page = 0; page < pages; ++page) {
    overwrite(path_, page * 4096 + (page == 0 ? 100 : 0), std::string(3'000, '\xa5'));
    EXPECT_THAT(refusal(path_), StartsWith(path_ + " is damaged (")) << "page " << page;
    write_file(path_, intact);
  }
}

TEST_F(StateFileTest, a_file_that_lacks_a_table_is_refused_as_damaged) {
  make();
  {
    absl::StatusOr<Database> database = Database::open(path_);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database->execute("DROP TABLE bucket").ok());
  }
  EXPECT_THAT(refusal(path_), StartsWith(path_ + " is damaged (no such table: bucket)"));
}

TEST_F(StateFileTest, a_file_from_before_the_mode_was_kept_there_is_taken_up) {
  make();
  {
    absl::StatusOr<Database> database = Database::open(path_);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database->execute("DROP TABLE mode").ok());
  }
  const auto file = StateFile::open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*(*file)->database().integer("SELECT count(*) FROM mode"), 0);
}

TEST_F(StateFileTest,
       a_file_that_somebody_is_writing_to_is_refused_only_when_it_has_to_be_created) {
  make();
  absl::StatusOr<Database> shell = Database::open(path_);
  ASSERT_TRUE(shell.ok());
  ASSERT_TRUE(shell->execute("BEGIN IMMEDIATE").ok());
  EXPECT_EQ(refusal(path_), "");
}

}  // namespace
}  // namespace quota::store
