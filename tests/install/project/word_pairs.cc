// Finds a word that follows the sea, by a pattern; the words are those of a file, or of a topic where brokers are
// named.
#include <connectors/kafka/kafka.h>
#include <eagre/cep/cep.h>
#include <eagre/eagre.h>

#include "pairs.h"

using namespace eagre;

struct Word {
  std::string text;
};
EAGRE_RECORD(Word, text);

EAGRE_JOB(job, args) {
  const auto input = args.Required<std::string>("input", "a file of words, or a topic");
  const auto brokers = args.Optional<std::string>("brokers", "", "of Kafka");
  DataStream<Word> words = brokers.empty() ? DataStream<Word>(job.Read(CsvFiles<Word>(input)))
                                           : DataStream<Word>(job.Read(KafkaSource<Word>(brokers).Topics({input})));
  auto pairs =
      Cep::Match(words,
                 Pattern<Word>::Begin("sea").Where([](const Word& word) { return word.text == "sea"; }).Next("next"))
          .InProcessingTime()
          .Select(
              [](const Match<Word>& match) { return Word{PairOf(match.First("sea").text, match.First("next").text)}; });
  if (brokers.empty()) {
    pairs.WriteTo(Print());
  } else {
    pairs.WriteTo(KafkaSink(brokers, "pairs"));
  }
}
