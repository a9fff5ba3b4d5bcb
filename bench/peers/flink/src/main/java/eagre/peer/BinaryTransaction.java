package eagre.peer;

/** The record of the binary benchmark: 24 bytes in the file, in this order. */
public class BinaryTransaction {
  public long user;
  public long timestamp;
  public double amount;
}
