// The configuration that a verb works with, and what follows from it: which JobManager to talk to, what a job is sent.
#pragma once

#include <map>
#include <string>

#include "base/config.h"
#include "base/status.h"
#include "cli/verb.h"

namespace eagre {

// The configuration: the file (--config, ./eagre.yaml, $EAGRE_CONF_DIR/eagre.yaml: the first that applies) under the -D
// properties. A failure names file and line, or the property.
StatusOr<Configuration> LoadConfig(const GlobalOptions& global);

// Adds -m/--jobmanager; `address` outlives the parse.
void AddJobManagerOption(Verb& verb, std::string& address);

// host:port from -m where it was given, else from jobmanager.rpc.address and jobmanager.rpc.port. A host without a port
// gets the configured port.
StatusOr<std::string> JobManagerAddress(const Configuration& config, const std::string& option);
StatusOr<std::string> JobManagerAddress(const GlobalOptions& global, const std::string& option);

// Adds -p/--parallelism; 0 stays for "not given".
void AddParallelismOption(Verb& verb, int& parallelism);
// Sets parallelism.default unless `parallelism` is 0.
Status SetParallelism(int parallelism, Configuration& config);

// `folder` as every process of this machine finds it: a relative one from where the client runs. Empty stays empty, and
// what has a scheme ("file:///x") as it is.
std::string AbsoluteFolder(const std::string& folder);
// The same for the folders of checkpoints and savepoints that the configuration sets.
Status MakeFoldersAbsolute(Configuration& config);
// The folder of a checkpoint or savepoint, in any way that users write it: relative, as "file:///x", or by the metadata
// file in it. `what` is for the message.
StatusOr<std::string> CheckpointFolder(const std::string& path, const std::string& what);

// What a client sends with a job: what was set for it, without the keys of daemons, and always what shapes the graph,
// so that a worker builds the same graph whatever its own cluster's defaults are.
std::map<std::string, std::string> JobProperties(const Configuration& config);

}  // namespace eagre
