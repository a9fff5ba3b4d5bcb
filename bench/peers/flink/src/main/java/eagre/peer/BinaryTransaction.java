package eagre.peer;

import java.nio.ByteBuffer;

/** The record of the binary benchmark. */
public class BinaryTransaction {
  public long user;
  public long timestamp;
  public double amount;

  static class Form implements MemoryInput.Form<BinaryTransaction> {
    @Override
    public int recordBytes() {
      return 24;
    }

    @Override
    public BinaryTransaction create() {
      return new BinaryTransaction();
    }

    @Override
    public void read(ByteBuffer from, int at, BinaryTransaction into) {
      into.user = from.getLong(at);
      into.timestamp = from.getLong(at + 8);
      into.amount = from.getDouble(at + 16);
    }
  }
}
