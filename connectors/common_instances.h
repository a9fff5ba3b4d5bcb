// Instances of templates that most jobs need and that hold nothing of the job's own types. libeagre.so has them, so
// that a job's compiler makes them only where it inlines them: an eighth less to compile for a job of one page.
#pragma once

#include <cstdint>
#include <string>

#include "connectors/file/file_read.h"
#include "eagre/poison.h"
#include "record/batch.h"
#include "record/type_info_of.h"
#include "runtime/timer_service.h"
#include "state/flat_table.h"
#include "state/keyed_state_table.h"

#define EAGRE_INTERNAL_COMMON_INSTANCES(prefix)                       \
  prefix template class FlatTable<char*>;                             \
  prefix template class KeyedStateTable<int64_t>;                     \
  prefix template class KeyedStateTable<std::string>;                 \
  prefix template class KeyedTimerQueue<int64_t>;                     \
  prefix template class KeyedTimerQueue<std::string>;                 \
  prefix template class TypedBatch<MalformedLine>;                    \
  prefix template class TypedBatch<PoisonRecord>;                     \
  prefix template TypeInfo internal::MakeRecordInfo<MalformedLine>(); \
  prefix template TypeInfo internal::MakeRecordInfo<PoisonRecord>();

namespace eagre {

EAGRE_INTERNAL_COMMON_INSTANCES(extern)

}  // namespace eagre
