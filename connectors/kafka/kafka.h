// Kafka in and out: `#include <connectors/kafka/kafka.h>` beside eagre/eagre.h, which does not bring it in. Start with
// kafka_source.h and kafka_sink.h.
#pragma once

#include "connectors/kafka/kafka_sink.h"
#include "connectors/kafka/kafka_source.h"
