package eagre.peer;

import java.nio.ByteBuffer;

/** The record of the benchmarks of patterns. */
public class ShopEvent {
  public long user;
  public long timestamp;
  public int type;
  public long id;

  static class Form implements MemoryInput.Form<ShopEvent> {
    @Override
    public int recordBytes() {
      return 32;
    }

    @Override
    public ShopEvent create() {
      return new ShopEvent();
    }

    @Override
    public void read(ByteBuffer from, int at, ShopEvent into) {
      into.user = from.getLong(at);
      into.timestamp = from.getLong(at + 8);
      into.type = from.getInt(at + 16);
      into.id = from.getLong(at + 24);
    }
  }
}
