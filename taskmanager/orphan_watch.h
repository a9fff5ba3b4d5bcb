// A worker never outlives its TaskManager.
#pragma once

namespace eagre {

// Starts a thread that ends this process soon after the other end of `socket` is closed, as it is when the TaskManager
// dies in any way, even if every other thread hangs in user code. The time until then (1.5 s) is for an orderly end.
// `socket` stays the caller's, who may close it: the thread watches a duplicate.
void StartOrphanWatch(int socket);

}  // namespace eagre
