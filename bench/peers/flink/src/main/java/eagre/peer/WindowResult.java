package eagre.peer;

/** Accumulator and result of a window. */
public class WindowResult {
  public long count;
  public double sum;
}
