// A job outside Eagre's tree: counts words.
#include <eagre/eagre.h>

using namespace eagre;

struct Word {
  std::string text;
};
EAGRE_RECORD(Word, text);

struct WordCount {
  std::string text;
  int64_t count = 0;
};
EAGRE_RECORD(WordCount, text, count);

EAGRE_JOB(job, args) {
  job.SetName("words");
  job.Read(CsvFiles<Word>(args.Required<std::string>("input", "a file of words")))
      .Map([](const Word& word) {
        return WordCount{word.text, 1};
      })
      .KeyBy(&WordCount::text)
      .Reduce([](const WordCount& a, const WordCount& b) {
        return WordCount{a.text, a.count + b.count};
      })
      .WriteTo(CsvSink(args.Required<std::string>("output", "a folder")));
}
