package eagre.peer;

/** The record of the NDJSON benchmark, as Flink's POJO serializer wants it. */
public class Transaction {
  public String transaction_id, user_id, account_id, currency, merchant, category, country, city, channel, device;
  public double amount, lat, lon;
  public long timestamp;
}
