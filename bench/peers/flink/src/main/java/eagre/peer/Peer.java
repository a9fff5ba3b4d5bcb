package eagre.peer;

/** Flink's side of a benchmark: measures once per order, and says what came out in a line of JSON. */
interface Peer {
  String answer() throws Exception;
}
