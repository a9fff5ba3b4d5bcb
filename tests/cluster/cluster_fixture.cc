#include "tests/cluster/cluster_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "tests/testing/paths.h"

namespace eagre {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMarkerVariable = "EAGRE_TEST_CLUSTER";
std::string EagreBinary() {
  return BuildPath("bin/eagre");
}

std::string ReadWholeFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool IsNumber(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

template <typename Visit>
void ForEachProcess(Visit visit) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (IsNumber(name)) visit(static_cast<pid_t>(std::stol(name)), entry.path());
  }
}

// Fields of /proc/<pid>/stat after the name, which may hold anything: state, parent, ...
std::vector<std::string> StatFields(const fs::path& process) {
  const std::string stat = ReadWholeFile(process / "stat");
  const size_t name_end = stat.rfind(')');
  std::vector<std::string> fields;
  if (name_end == std::string::npos) return fields;
  std::istringstream rest(stat.substr(name_end + 1));
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  ForEachProcess([&](pid_t pid, const fs::path& process) {
    const std::vector<std::string> fields = StatFields(process);
    if (fields.size() > 1 && fields[0] != "Z" && fields[1] == std::to_string(parent)) children.push_back(pid);
  });
  return children;
}

// Processes whose environment carries the mark, dead ones excepted.
std::vector<std::string> MarkedProcesses(const std::string& mark) {
  std::vector<std::string> marked;
  ForEachProcess([&](pid_t pid, const fs::path& process) {
    if (pid == getpid() || ReadWholeFile(process / "environ").find(mark) == std::string::npos) return;
    std::string command = ReadWholeFile(process / "cmdline");
    std::replace(command.begin(), command.end(), '\0', ' ');
    marked.push_back(fmt::format("{}: {}", pid, command));
  });
  return marked;
}

std::string NewMark() {
  static int tests = 0;
  return fmt::format("{}-{}", getpid(), ++tests);
}

}  // namespace

ClusterTest::ClusterTest() : marker_(NewMark()) {}
ClusterTest::~ClusterTest() = default;

void ClusterTest::SetUp() {
  std::string pattern = (fs::temp_directory_path() / "eagre-cluster-test-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
}

void ClusterTest::TearDown() {
  client_.reset();
  for (size_t i = 0; i < task_managers_.size(); ++i) StopDaemon(*task_managers_[i], fmt::format("TaskManager {}", i));
  if (job_manager_ != nullptr) StopDaemon(*job_manager_, "JobManager");
  const std::string mark = fmt::format("{}={}", kMarkerVariable, marker_);
  EXPECT_TRUE(AwaitTrue([&] { return MarkedProcesses(mark).empty(); }))
      << "processes are left: " << ::testing::PrintToString(MarkedProcesses(mark));
  if (HasFailure()) {
    if (job_manager_ != nullptr) std::printf("JobManager said:\n%s\n", job_manager_->Output().c_str());
    for (auto& process : task_managers_) std::printf("a TaskManager said:\n%s\n", process->Output().c_str());
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void ClusterTest::StopDaemon(ChildProcess& process, const std::string& name) {
  if (!process.Running()) return;  // the test ended it
  process.Signal(SIGTERM);
  const int status = process.AwaitExit();
  EXPECT_EQ(status, 0) << name << " did not stop in order after SIGTERM:\n" << process.Output();
}

ChildProcess::Options ClusterTest::ProcessOptions() const {
  return {.directory = folder_, .environment = {fmt::format("{}={}", kMarkerVariable, marker_)}};
}

Words ClusterTest::DaemonCommand(const std::string& verb, const Words& properties) const {
  Words command = {EagreBinary(), verb, "-D", "metrics.reporter.prom.port=0", "-D", "eagre.work.dir=" + Path("work")};
  for (const std::string& property : properties) {
    command.push_back("-D");
    command.push_back(property);
  }
  return command;
}

// The number behind the last colon of a line such as "Metrics are served at http://localhost:34567/metrics".
int ClusterTest::AnnouncedPort(ChildProcess& process, const std::string& announcement) {
  const std::string line = process.AwaitLine(announcement);
  EXPECT_FALSE(line.empty()) << "no line '" << announcement << "' came:\n" << process.Output();
  const size_t colon = line.rfind(':');
  int port = 0;
  if (colon != std::string::npos) std::from_chars(line.data() + colon + 1, line.data() + line.size(), port);
  return port;
}

void ClusterTest::StartJobManager(const Words& properties) {
  Words all = {"jobmanager.rpc.port=0"};
  all.insert(all.end(), properties.begin(), properties.end());
  job_manager_ = std::make_unique<ChildProcess>(DaemonCommand("jobmanager", all), ProcessOptions());
  job_manager_metrics_port_ = AnnouncedPort(*job_manager_, "Metrics are served at");
  rpc_port_ = AnnouncedPort(*job_manager_, "JobManager is listening on");
  ASSERT_NE(rpc_port_, 0);
  client_ = std::make_unique<JobClient>(fmt::format("localhost:{}", rpc_port_));
}

size_t ClusterTest::StartTaskManager(const Words& properties) {
  Words command = DaemonCommand("taskmanager", properties);
  command.push_back("-m");
  command.push_back(fmt::format("localhost:{}", rpc_port_));
  task_managers_.push_back(std::make_unique<ChildProcess>(command, ProcessOptions()));
  task_manager_metrics_ports_.push_back(AnnouncedPort(*task_managers_.back(), "Metrics are served at"));
  return task_managers_.size() - 1;
}

void ClusterTest::StartCluster(int task_managers, int slots_each, const Words& properties) {
  ASSERT_NO_FATAL_FAILURE(StartJobManager(properties));
  Words all = {fmt::format("taskmanager.numberOfTaskSlots={}", slots_each)};
  all.insert(all.end(), properties.begin(), properties.end());
  for (int i = 0; i < task_managers; ++i) StartTaskManager(all);
  ASSERT_TRUE(AwaitSlots(task_managers * slots_each));
}

void ClusterTest::ExpectDaemonsAlive() {
  EXPECT_TRUE(job_manager_->Running()) << "the JobManager died:\n" << job_manager_->Output();
  for (auto& process : task_managers_) EXPECT_TRUE(process->Running()) << "a TaskManager died:\n" << process->Output();
}

std::unique_ptr<ChildProcess> ClusterTest::Start(const Words& arguments) {
  Words command = {EagreBinary()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return std::make_unique<ChildProcess>(command, ProcessOptions());
}

Ended ClusterTest::Run(const Words& arguments) {
  const std::unique_ptr<ChildProcess> process = Start(arguments);
  Ended ended;
  ended.status = process->AwaitExit();
  ended.out = process->Stdout();
  ended.err = process->Stderr();
  EXPECT_NE(ended.status, -1) << "the command did not end:\n" << process->Output();
  return ended;
}

Ended ClusterTest::RunOnCluster(const Words& arguments) {
  Words all = arguments;
  all.insert(all.begin() + 1, {"-m", fmt::format("localhost:{}", rpc_port_)});
  return Run(all);
}

std::string ClusterTest::PathIn(const std::string& output) {
  const size_t at = output.find("Path: ");
  if (at == std::string::npos) return "";
  return output.substr(at + 6, output.find('\n', at) - at - 6);
}

std::string ClusterTest::Submit(const std::string& job, const Words& job_arguments, const Words& options) {
  Words arguments = {"run", "-d"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.push_back(JobLibrary(job));
  arguments.push_back("--");
  arguments.insert(arguments.end(), job_arguments.begin(), job_arguments.end());
  const Ended ended = RunOnCluster(arguments);
  constexpr std::string_view kSubmitted = "Job has been submitted with JobID ";
  const size_t at = ended.out.find(kSubmitted);
  EXPECT_EQ(ended.status, 0) << ended.out << ended.err;
  EXPECT_NE(at, std::string::npos) << ended.out << ended.err;
  return at == std::string::npos ? "" : ended.out.substr(at + kSubmitted.size(), 32);
}

std::string ClusterTest::JobLibrary(const std::string& name) {
  return BuildPath(fmt::format("jobs/test_{}.so", name));
}

std::string ClusterTest::WriteFile(const std::string& name, const std::string& content) const {
  std::ofstream(Path(name), std::ios::binary) << content;
  return Path(name);
}

std::string ClusterTest::State(const std::string& job_id) {
  return Job(job_id).summary().state();
}

proto::JobDetails ClusterTest::Job(const std::string& job_id) {
  StatusOr<proto::JobDetails> job = client_->GetJob(job_id);
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? *std::move(job) : proto::JobDetails();
}

bool ClusterTest::AwaitJob(const std::string& job_id, const std::function<bool(const proto::JobDetails&)>& condition) {
  return AwaitTrue([&] { return condition(Job(job_id)); });
}

bool ClusterTest::AwaitState(const std::string& job_id, const std::string& state) {
  const bool reached = AwaitJob(job_id, [&](const proto::JobDetails& job) { return job.summary().state() == state; });
  EXPECT_TRUE(reached) << "job " << job_id << " did not become " << state << ":\n" << Job(job_id).DebugString();
  return reached;
}

bool ClusterTest::AwaitFlow(const std::string& job_id) {
  const bool flows = AwaitTrue([&] { return RecordsIn(job_id) > 0; });
  EXPECT_TRUE(flows) << "job " << job_id << " reads nothing:\n" << Job(job_id).DebugString();
  return flows;
}

int64_t ClusterTest::RecordsIn(const std::string& job_id) {
  const proto::JobDetails job = Job(job_id);
  return job.vertices_size() == 0 || job.vertices(0).operators_size() == 0 ? 0
                                                                           : job.vertices(0).operators(0).records_out();
}

bool ClusterTest::AwaitSlots(int total) {
  return AwaitTrue([&] {
    const StatusOr<proto::ClusterDetails> cluster = client_->GetCluster();
    return cluster.ok() && cluster->slots_total() == total && cluster->slots_available() == total;
  });
}

std::vector<pid_t> ClusterTest::Workers(size_t task_manager) const {
  return ChildrenOf(task_managers_[task_manager]->pid());
}

ProcessCost CostOf(pid_t pid) {
  const fs::path process = fmt::format("/proc/{}", pid);
  ProcessCost cost;
  std::istringstream status(ReadWholeFile(process / "status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) cost.resident_bytes = std::stoll(line.substr(6)) * 1024;
    if (line.starts_with("VmHWM:")) cost.peak_resident_bytes = std::stoll(line.substr(6)) * 1024;
    if (line.starts_with("Threads:")) cost.threads = std::stoi(line.substr(8));
  }
  std::error_code ignored;
  cost.descriptors = static_cast<int>(std::distance(fs::directory_iterator(process / "fd", ignored), {}));
  cost.children = static_cast<int>(ChildrenOf(pid).size());
  return cost;
}

std::vector<std::string> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder, ignored)) {
    files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

double SampleValue(const std::string& page, const std::string& prefix) {
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(prefix)) return std::stod(line.substr(line.rfind(' ') + 1));
  }
  return std::nan("");
}

}  // namespace eagre
