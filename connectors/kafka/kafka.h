// Kafka in and out: `#include <eagre/kafka.h>`-like, beside eagre/eagre.h. Start with kafka_source.h and kafka_sink.h.
#pragma once

#include "connectors/kafka/kafka_sink.h"
#include "connectors/kafka/kafka_source.h"
