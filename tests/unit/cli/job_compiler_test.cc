// Compiling a job's source: what is reused, and what is not. A small header stands for Eagre's.
#include "cli/job_compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

class JobCompilerTest : public testing::Test {
 protected:
  JobCompilerTest() {
    scratch_.Write("headers/eagre/eagre.h", "#pragma once\ninline int Seven() { return 7; }\n");
    source_ = scratch_.Write("my jobs/job.cc",
                             "#include <eagre/eagre.h>\n#include \"part.h\"\nint job() { return Seven() + kPart; }\n");
    scratch_.Write("my jobs/part.h", "#pragma once\nconstexpr int kPart = 1;\n");
  }
  CompilerSettings Settings(const std::string& flag = "-O0", const std::string& digest = "1") const {
    return {.compiler = "g++",
            .flags = {"-std=c++20", "-fPIC", flag, "-isystem", scratch_.path() + "/headers"},
            .headers_digest = digest};
  }
  StatusOr<CompiledJob> Compile(const CompilerSettings& settings) const {
    return JobCompiler(PosixFileSystem(), settings, scratch_.path() + "/cache").Compile(source_);
  }
  // The entries of a folder in the cache.
  std::vector<std::string> In(const std::string& folder) const {
    std::vector<std::string> paths;
    const StatusOr<std::vector<FileInfo>> entries = PosixFileSystem().List(scratch_.path() + "/cache/" + folder);
    EXPECT_TRUE(entries.ok()) << entries.status();
    if (entries.ok()) {
      for (const FileInfo& entry : *entries) paths.push_back(entry.path);
    }
    return paths;
  }

  const ScratchDirectory scratch_;
  std::string source_;
};

TEST_F(JobCompilerTest, WhatIsUnchangedIsNotCompiledAgain) {
  const StatusOr<CompiledJob> first = Compile(Settings());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->was_cached);
  EXPECT_THAT(first->sources, ElementsAre(source_, scratch_.path() + "/my jobs/part.h"));
  EXPECT_TRUE(PosixFileSystem().Exists(first->library));
  const StatusOr<CompiledJob> second = Compile(Settings());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->was_cached);
  EXPECT_EQ(second->library, first->library);
  EXPECT_EQ(second->sources, first->sources);
}

TEST_F(JobCompilerTest, AChangedSourceIncludeFlagOrHeaderIsCompiledAnew) {
  const StatusOr<CompiledJob> first = Compile(Settings());
  ASSERT_TRUE(first.ok()) << first.status();
  scratch_.Write("my jobs/part.h", "#pragma once\nconstexpr int kPart = 2;\n");
  const StatusOr<CompiledJob> second = Compile(Settings());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(second->was_cached);
  EXPECT_NE(second->library, first->library);
  EXPECT_TRUE(PosixFileSystem().Exists(first->library)) << "a process may have it loaded";
  for (const CompilerSettings& changed : {Settings("-O1"), Settings("-O0", "2")}) {
    const StatusOr<CompiledJob> job = Compile(changed);
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_FALSE(job->was_cached);
  }
  EXPECT_THAT(In("headers"), SizeIs(2)) << "those of the last build and of this one";
}

TEST_F(JobCompilerTest, AHeaderThatIsNotOfThisBuildIsRefused) {
  const std::string header = scratch_.path() + "/headers/eagre/eagre.h";
  const std::string original = *PosixFileSystem().ReadFile(header);
  CompilerSettings settings = Settings();
  settings.headers = {{"5240b4246c5c8810ce17af94e5fc5db2fd76cd2f440c092ca8648e3573ffa817", header}};
  ASSERT_TRUE(Compile(settings).ok());
  scratch_.Write("headers/eagre/eagre.h", original + "// edited\n");
  const StatusOr<CompiledJob> edited = Compile(settings);
  EXPECT_THAT(std::string(StatusMessage(edited.status())),
              HasSubstr(header + " has changed since this Eagre was built"));
  scratch_.Write("headers/eagre/eagre.h", original);
  const StatusOr<CompiledJob> restored = Compile(settings);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_TRUE(restored->was_cached);
}

TEST_F(JobCompilerTest, TheHeadersArePrecompiledOnceAndTakenInThatForm) {
  // The compiler tells what it includes: "! " stands before a precompiled header that it took, "x " before one that it
  // did not.
  const CompilerSettings telling = Settings("-H");
  testing::internal::CaptureStderr();
  const StatusOr<CompiledJob> first = Compile(telling);
  const std::string told = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(first.ok()) << first.status() << told;
  ASSERT_THAT(In("headers"), SizeIs(1));
  const std::string precompiled = In("headers")[0] + "/eagre_job.h.gch";
  EXPECT_TRUE(PosixFileSystem().Exists(precompiled));
  EXPECT_THAT(told, HasSubstr("Precompiling Eagre's headers, once.\n"));
  EXPECT_THAT(told, HasSubstr("! " + precompiled + "\n"));

  scratch_.Write("my jobs/part.h", "#pragma once\nconstexpr int kPart = 2;\n");
  testing::internal::CaptureStderr();
  const StatusOr<CompiledJob> second = Compile(telling);
  const std::string told_again = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(second.ok()) << second.status() << told_again;
  EXPECT_FALSE(second->was_cached);
  EXPECT_THAT(told_again, Not(HasSubstr("Precompiling")));
  EXPECT_THAT(told_again, HasSubstr("! " + precompiled + "\n"));
  EXPECT_THAT(told_again, Not(HasSubstr("headers/eagre/eagre.h\n"))) << "the header itself was read too";
}

TEST_F(JobCompilerTest, ASourceWithAnErrorFailsAndIsCompiledWhenItIsCorrected) {
  scratch_.Write("my jobs/part.h", "constexpr int kPart = nonsense;\n");
  testing::internal::CaptureStderr();
  const StatusOr<CompiledJob> broken = Compile(Settings());
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_EQ(StatusMessage(broken.status()), source_ + " does not compile; the compiler's messages are above");
  EXPECT_THAT(shown, HasSubstr("part.h:1:23: error: "));
  scratch_.Write("my jobs/part.h", "#pragma once\nconstexpr int kPart = 2;\n");
  EXPECT_TRUE(Compile(Settings()).ok());
}

TEST_F(JobCompilerTest, AMissingSourceOrCompilerIsNamed) {
  JobCompiler compiler(PosixFileSystem(), Settings(), scratch_.path() + "/cache");
  EXPECT_THAT(std::string(StatusMessage(compiler.Compile("/no/job.cc").status())),
              HasSubstr("cannot read '/no/job.cc'"));
  CompilerSettings settings = Settings();
  settings.compiler = "no-such-compiler";
  EXPECT_THAT(std::string(StatusMessage(Compile(settings).status())),
              HasSubstr("cannot start the compiler 'no-such-compiler'"));
}

TEST(CompilerSettingsTest, TheFilesHaveTheCompilerAFlagALineAndTheHeaders) {
  const StatusOr<CompilerSettings> settings = CompilerSettings::Parse("g++\n-O2\n-isystem\n@ROOT@/include/eagre\n",
                                                                      "00ff  @ROOT@/include/eagre/a.h\n", "/opt/eagre");
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->compiler, "g++");
  EXPECT_THAT(settings->flags, ElementsAre("-O2", "-isystem", "/opt/eagre/include/eagre"));
  ASSERT_THAT(settings->headers, SizeIs(1));
  EXPECT_EQ(settings->headers[0].sha256, "00ff");
  EXPECT_EQ(settings->headers[0].path, "/opt/eagre/include/eagre/a.h");
  EXPECT_FALSE(CompilerSettings::Parse("\n", "", "/").ok());
  EXPECT_FALSE(CompilerSettings::Parse("g++\n", "00ff\n", "/").ok());
  EXPECT_TRUE(IsJobSource("a/job.cc"));
  EXPECT_FALSE(IsJobSource("a/job.so"));
}

}  // namespace
}  // namespace eagre
