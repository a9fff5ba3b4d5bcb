package eagre.peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;

/** All fields of a line, by Jackson's streaming parser: the fastest of the ways to read JSON that Flink users take. */
public class ParseTransaction extends RichMapFunction<byte[], Transaction> {
  private transient JsonFactory factory;

  @Override
  public void open(OpenContext context) {
    Stopwatch.start(); // where the source is not ours; elsewhere it runs already
    factory = new JsonFactory();
  }

  @Override
  public Transaction map(byte[] line) throws Exception {
    Transaction t = new Transaction();
    try (JsonParser parser = factory.createParser(line)) {
      parser.nextToken();
      for (String field; (field = parser.nextFieldName()) != null; ) {
        parser.nextToken();
        switch (field) {
          case "transaction_id": t.transaction_id = parser.getText(); break;
          case "user_id": t.user_id = parser.getText(); break;
          case "account_id": t.account_id = parser.getText(); break;
          case "amount": t.amount = parser.getDoubleValue(); break;
          case "currency": t.currency = parser.getText(); break;
          case "merchant": t.merchant = parser.getText(); break;
          case "category": t.category = parser.getText(); break;
          case "timestamp": t.timestamp = parser.getLongValue(); break;
          case "country": t.country = parser.getText(); break;
          case "city": t.city = parser.getText(); break;
          case "lat": t.lat = parser.getDoubleValue(); break;
          case "lon": t.lon = parser.getDoubleValue(); break;
          case "channel": t.channel = parser.getText(); break;
          case "device": t.device = parser.getText(); break;
          default: parser.skipChildren();
        }
      }
    }
    return t;
  }
}
