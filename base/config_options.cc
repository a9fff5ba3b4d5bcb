// The table of all configuration keys: the one place where a key, its default and its meaning stand.
#include "base/config.h"

#include "base/daemon_options.h"

namespace eagre {
namespace {

constexpr std::string_view kCluster = "Cluster";
constexpr std::string_view kTaskManagers = "TaskManagers";
constexpr std::string_view kJobs = "Jobs";
constexpr std::string_view kCheckpoints = "Checkpoints";
constexpr std::string_view kRestarts = "Restarts";
constexpr std::string_view kMemory = "Queues and memory";
constexpr std::string_view kState = "State";
constexpr std::string_view kPatterns = "Complex event processing";
constexpr std::string_view kOperations = "Logs, metrics and folders";

constexpr int64_t kMostParallelism = 32768;

const ConfigOption kOptions[] = {
    {"jobmanager.rpc.address", OptionType::kString, "",
     "Host of the JobManager for TaskManagers and clients. While it is empty, `eagre run` runs jobs in its own process "
     "and daemons use localhost.",
     kCluster},
    {"jobmanager.rpc.port", OptionType::kPort, "6123", "Port of the JobManager's RPC service; 0 takes any free one.",
     kCluster},
    {"jobmanager.bind-host", OptionType::kString, "localhost",
     "Address on which the JobManager listens, for RPC and metrics. The RPC port accepts code: open it (0.0.0.0) only "
     "inside a network that you trust.",
     kCluster},
    {"heartbeat.interval", OptionType::kDuration, "1 s", "Time between heartbeats of JobManager and TaskManagers.",
     kCluster},
    {"heartbeat.timeout", OptionType::kDuration, "10 s",
     "A TaskManager or JobManager that is silent for so long is taken for lost. A broken connection is noticed at "
     "once, "
     "whatever this says.",
     kCluster},
    {"cluster.registration.error-delay", OptionType::kDuration, "1 s",
     "Longest time that a TaskManager waits before it tries again to reach the JobManager.", kCluster},
    {"slot.request.timeout", OptionType::kDuration, "5 min",
     "A job that has waited for slots for so long fails; until then it says what it waits for.", kCluster},
    {"jobstore.max-capacity", OptionType::kInt, "50", "Number of finished, failed and cancelled jobs that stay listed.",
     kCluster, 0, 100'000},
    {"high-availability.storageDir", OptionType::kString, "",
     "Folder in which the JobManager keeps its jobs, so that one that is started after its death takes them up again "
     "from their last checkpoints; empty keeps them in memory only.",
     kCluster},

    {"jobmanager.reconciliation.timeout", OptionType::kDuration, "5 s",
     "A JobManager that takes jobs up from high-availability.storageDir waits so long for the TaskManagers of each to "
     "come back with their workers, which then go on; else the job begins anew from its last checkpoint.",
     kCluster},

    {"taskmanager.numberOfTaskSlots", OptionType::kInt, "1",
     "Slots of a TaskManager. A slot is one thread and runs one subtask of every vertex of a job.", kTaskManagers, 1,
     kMostSlots},
    {"taskmanager.host", OptionType::kString, "",
     "Name or address under which other TaskManagers reach the workers of this one; empty takes the bind host.",
     kTaskManagers},
    {"taskmanager.bind-host", OptionType::kString, "localhost",
     "Address on which workers listen for data and the TaskManager for metrics.", kTaskManagers},
    {"taskmanager.data.port", OptionType::kPortRange, "0",
     "Port, or range such as 50100-50200, for the data of the workers. Each job has a worker with a port of its own; 0 "
     "takes "
     "any free one.",
     kTaskManagers},
    {"taskmanager.registration.timeout", OptionType::kDuration, "5 min",
     "A TaskManager that no JobManager has taken for so long ends with an error; 0 lets it try for ever.",
     kTaskManagers},
    {"taskmanager.worker-output.max-size", OptionType::kMemorySize, "64mb",
     "What a worker printed to standard output or error may occupy so much disk each; the older half goes first.",
     kTaskManagers},
    {"task.deployment.timeout", OptionType::kDuration, "1 min",
     "A worker that has not loaded its job's library and built the job's graph after so long is killed, and the job "
     "fails; 0 lets it take any time.",
     kTaskManagers},
    {"task.cancellation.timeout", OptionType::kDuration, "5 s",
     "A worker that has not stopped so long after its job was cancelled or failed is killed.", kTaskManagers},

    {"parallelism.default", OptionType::kInt, "1", "Parallelism of operators for which the job sets none.", kJobs, 1,
     kMostParallelism},
    {"pipeline.name", OptionType::kString, "", "Name of the job; empty keeps the name that the job gave itself.",
     kJobs},
    {"pipeline.max-parallelism", OptionType::kInt, "-1",
     "Number of key groups, the highest parallelism to which a job can ever be scaled; -1 takes that of the "
     "state that the job goes on from, or derives it from the parallelism.",
     kJobs, -1, kMostParallelism},
    {"pipeline.operator-chaining.enabled", OptionType::kBool, "true",
     "Operators that need no exchange between them run in one task.", kJobs},
    {"pipeline.auto-watermark-interval", OptionType::kDuration, "200 ms", "Time between watermarks that sources emit.",
     kJobs},
    {"pipeline.watermark-alignment.max-drift", OptionType::kDuration, "0 ms",
     "A split that is further ahead of the slowest one in event time pauses; 0 ms lets all run on (the readers of "
     "files "
     "still stay within a few chunks of each other).",
     kJobs},
    {"execution.buffer-timeout.interval", OptionType::kDuration, "100 ms",
     "The oldest record of a batch waits at most so long for others before the batch is sent.", kJobs},

    {"execution.checkpointing.interval", OptionType::kDuration, "0 ms",
     "Time between the triggers of checkpoints; 0 ms takes none but those that are asked for.", kCheckpoints},
    {"execution.checkpointing.dir", OptionType::kString, "",
     "Folder of the checkpoints, which all machines of the cluster see under this path (file:///... or /...). Each job "
     "has a folder named by its id in it.",
     kCheckpoints},
    {"execution.checkpointing.savepoint-dir", OptionType::kString, "", "Folder for savepoints for which none is named.",
     kCheckpoints},
    {"execution.checkpointing.mode",
     OptionType::kEnum,
     "EXACTLY_ONCE",
     "What a checkpoint promises about the state of operators with several inputs.",
     kCheckpoints,
     0,
     0,
     {"EXACTLY_ONCE", "AT_LEAST_ONCE"}},
    {"execution.checkpointing.unaligned.enabled", OptionType::kBool, "false",
     "Barriers of checkpoints overtake what is in flight, which is then part of the checkpoint: it does not wait for "
     "slow consumers. Savepoints are always aligned. Not with AT_LEAST_ONCE.",
     kCheckpoints},
    {"execution.checkpointing.aligned-checkpoint-timeout", OptionType::kDuration, "0 ms",
     "With unaligned checkpoints: how long barriers are aligned before they overtake; 0 ms: they overtake at once.",
     kCheckpoints},
    {"execution.checkpointing.unaligned.max-in-flight-size", OptionType::kMemorySize, "256mb",
     "What may be in flight before one subtask in an unaligned checkpoint. Beyond half of it the checkpoint waits for "
     "the consumers, beyond all of it it fails.",
     kCheckpoints},
    {"execution.checkpointing.timeout", OptionType::kDuration, "10 min",
     "A checkpoint that is not complete so long after its trigger is aborted.", kCheckpoints},
    {"execution.checkpointing.min-pause", OptionType::kDuration, "0 ms",
     "Least time from the end of a checkpoint to the trigger of the next.", kCheckpoints},
    {"execution.checkpointing.tolerable-failed-checkpoints", OptionType::kInt, "0",
     "Checkpoints in a row that may fail; at one more the job fails, and restarts as its strategy says.", kCheckpoints,
     0},
    {"execution.checkpointing.num-retained", OptionType::kInt, "1", "Complete checkpoints that are kept.", kCheckpoints,
     1, 1000},
    {"execution.checkpointing.recover-with-duplicates", OptionType::kBool, "false",
     "When the newest complete checkpoint is damaged, go on from an older one although sinks may have committed what "
     "came after it, and write that twice. Otherwise such a job fails.",
     kCheckpoints},
    {"execution.checkpointing.externalized-checkpoint-retention",
     OptionType::kEnum,
     "DELETE_ON_CANCELLATION",
     "What becomes of the checkpoints of a job that has ended. Those of a finished job are always deleted. "
     "DELETE_ON_CANCELLATION keeps those of a failed job, RETAIN_ON_CANCELLATION those of a cancelled one as well.",
     kCheckpoints,
     0,
     0,
     {"NO_EXTERNALIZED_CHECKPOINTS", "DELETE_ON_CANCELLATION", "RETAIN_ON_CANCELLATION"}},

    {"execution.state-recovery.from-local", OptionType::kBool, "false",
     "TaskManagers keep a copy of the newest state of what runs there, and a restart gives it back to them where it "
     "can: "
     "it is restored from the copy, and with RocksDB without being read.",
     kCheckpoints},

    {"restart-strategy.type",
     OptionType::kEnum,
     "none",
     "What happens to a job that failed. Where it is not set, a job with an execution.checkpointing.interval has "
     "exponential-delay.",
     kRestarts,
     0,
     0,
     {"none", "fixed-delay", "failure-rate", "exponential-delay"}},
    {"restart-strategy.fixed-delay.attempts", OptionType::kInt, "1", "Restarts before the job fails for good.",
     kRestarts, 0},
    {"restart-strategy.fixed-delay.delay", OptionType::kDuration, "1 s", "Time before each restart.", kRestarts},
    {"restart-strategy.failure-rate.max-failures-per-interval", OptionType::kInt, "1",
     "Failures within the interval that are answered by a restart.", kRestarts, 1},
    {"restart-strategy.failure-rate.failure-rate-interval", OptionType::kDuration, "1 min", "The interval.", kRestarts},
    {"restart-strategy.failure-rate.delay", OptionType::kDuration, "1 s", "Time before each restart.", kRestarts},
    {"restart-strategy.exponential-delay.initial-backoff", OptionType::kDuration, "1 s",
     "Time before the first restart.", kRestarts},
    {"restart-strategy.exponential-delay.max-backoff", OptionType::kDuration, "1 min", "Longest time before a restart.",
     kRestarts},
    {"restart-strategy.exponential-delay.backoff-multiplier", OptionType::kDouble, "1.5",
     "Factor by which the time grows from restart to restart.", kRestarts},
    {"restart-strategy.exponential-delay.jitter-factor", OptionType::kDouble, "0.1",
     "Share of the time by which it varies at random, so that jobs do not restart in step.", kRestarts},
    {"restart-strategy.exponential-delay.reset-backoff-threshold", OptionType::kDuration, "1 h",
     "A job that has run so long without failing starts again with the initial time.", kRestarts},
    {"restart-strategy.exponential-delay.attempts-before-reset-backoff", OptionType::kInt, "infinite",
     "Restarts in a row before the job fails for good.", kRestarts, 1},

    {"restart-strategy.isolation.after-failures", OptionType::kInt, "2",
     "So many attempts in a row that failed in the same operator, and the next reads its sources record by record, so "
     "that a failure names the record. 0: never.",
     kRestarts, 0},
    {"restart-strategy.isolation.duration", OptionType::kDuration, "10 min",
     "How long an attempt reads record by record at least; it stops when a checkpoint completes after that.",
     kRestarts},

    {"taskmanager.memory.segment-size", OptionType::kMemorySize, "128kb",
     "Size of a frame between workers; a larger record makes a larger frame.", kMemory},
    {"taskmanager.network.memory.buffers-per-channel", OptionType::kInt, "4",
     "Frames that may be on their way, or wait to be taken, on each channel between two workers.", kMemory, 2, 4096},
    {"taskmanager.network.max-frame-size", OptionType::kMemorySize, "256mb",
     "Largest frame between workers, and so about the largest record; the job fails at a larger one. At most 1gb.",
     kMemory},
    {"taskmanager.network.queue-batches", OptionType::kInt, "8", "Batches that a channel within one worker holds.",
     kMemory, 1, 4096},
    {"execution.overflow.max-size", OptionType::kMemorySize, "256mb",
     "What one call of a user function may emit beyond a full output; the job fails when it emits more.", kMemory},
    {"execution.sort.max-buffered-size", OptionType::kMemorySize, "512mb",
     "What one subtask of SortByEventTime holds back while it waits for the watermark; the job fails beyond it.",
     kMemory},
    {"taskmanager.memory.managed.size", OptionType::kMemorySize, "0",
     "Memory for the state of all slots of a TaskManager, of which each has its share; 0 takes four tenths of the "
     "machine's, or of a container's limit that is lower. A job whose state needs more fails, unless it is in RocksDB, "
     "which keeps within it.",
     kMemory},

    {"taskmanager.state.local.root-dirs", OptionType::kString, "",
     "Folder for the copies of execution.state-recovery.from-local, of one cluster, that outlives the TaskManager: one "
     "that is started anew, or another one of the machine, finds them. Empty takes one below eagre.work.dir that goes "
     "with the TaskManager.",
     kState},
    {"state.backend.type",
     OptionType::kEnum,
     "hashmap",
     "Where keyed state is: in memory, or in RocksDB on the TaskManager's disk, with what was used lately in memory.",
     kState,
     0,
     0,
     {"hashmap", "rocksdb"}},
    {"state.backend.rocksdb.localdir", OptionType::kString, "",
     "Folder for the databases, each of which is worthless once its job has ended; empty takes one below "
     "eagre.work.dir.",
     kState},
    {"state.backend.rocksdb.timer-service.factory",
     OptionType::kEnum,
     "ROCKSDB",
     "With rocksdb, where timers are that do not fit into the memory for decoded objects: in RocksDB too (ROCKSDB), or "
     "in memory all the same (HEAP).",
     kState,
     0,
     0,
     {"ROCKSDB", "HEAP"}},
    {"state.backend.rocksdb.memory.object-cache-ratio", OptionType::kDouble, "0.4",
     "Share of a slot's memory for decoded objects: the state that was used lately.", kState, 0, 1},
    {"state.backend.rocksdb.memory.write-buffer-ratio", OptionType::kDouble, "0.3",
     "Share of a slot's memory for what RocksDB has not written to files yet. What the two leave is for blocks of "
     "files.",
     kState, 0, 1},

    {"cep.exact-timeout-timestamps", OptionType::kBool, "false",
     "Give a match that time completes the moment at which it was complete; otherwise, as Flink does, that to which "
     "time "
     "had come when it was noticed, which depends on the watermarks.",
     kPatterns},
    {"cep.timers-as-flink", OptionType::kBool, "false",
     "Notice the end of a window only where Flink has a timer for it, which it has not for windows from the previous "
     "event to the current nor before 1970, and in processing time a millisecond late: for comparing results with it.",
     kPatterns},
    {"cep.partial-matches.max-per-key", OptionType::kInt, "0",
     "Live partial matches that a pattern may have for one key; 0 for no limit.", kPatterns, 0},
    {"cep.partial-matches.max", OptionType::kInt, "0",
     "Live partial matches that one subtask of a pattern may have for all its keys; 0 for no limit.", kPatterns, 0},
    {"cep.partial-matches.overflow",
     OptionType::kEnum,
     "fail",
     "What happens beyond these limits: the job fails, or partial matches of the key at hand are given up, those that "
     "started first or last.",
     kPatterns,
     0,
     0,
     {"fail", "drop-oldest", "drop-newest"}},

    {"eagre.work.dir", OptionType::kString, "/tmp/eagre",
     "Folder for job libraries, the output of workers and other files of the daemons.", kOperations},
    {"artifact-cache.max-size", OptionType::kMemorySize, "1gb",
     "Job libraries that a TaskManager keeps for the next job that needs them; the oldest unused go first.",
     kOperations},
    {"env.log.dir", OptionType::kString, "", "Folder for the daemons' log files; empty logs to standard error only.",
     kOperations},
    {"env.log.level",
     OptionType::kEnum,
     "INFO",
     "The least level that is logged.",
     kOperations,
     0,
     0,
     {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "OFF"}},
    {"metrics.reporter.prom.port", OptionType::kPortRange, "9249",
     "Port for Prometheus. From a range such as 9249-9260 the first free one is taken, which lets several daemons "
     "share a "
     "machine.",
     kOperations},
};

}  // namespace

std::span<const ConfigOption> ConfigOptions() {
  return kOptions;
}

const ConfigOption* FindConfigOption(std::string_view key) {
  for (const ConfigOption& option : kOptions) {
    if (option.key == key) return &option;
  }
  return nullptr;
}

}  // namespace eagre
