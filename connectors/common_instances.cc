#include "connectors/common_instances.h"

namespace eagre {

EAGRE_INTERNAL_COMMON_INSTANCES()

}  // namespace eagre
