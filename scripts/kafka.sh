#!/usr/bin/env bash
# A real Apache Kafka broker on this machine, for development and tests: one KRaft node on loopback.
#   scripts/kafka.sh fetch                           resolves Apache Kafka from Maven Central, once
#   scripts/kafka.sh start [--secure] [--port N]     in the background; prints its address
#   scripts/kafka.sh run [--secure] [--port N]       in the foreground
#   scripts/kafka.sh status | stop
#   scripts/kafka.sh topic create NAME [--partitions N] [--config KEY=VALUE]...
#   scripts/kafka.sh topic list | describe NAME | delete NAME
#   scripts/kafka.sh produce TOPIC                   a record per line of standard input
#   scripts/kafka.sh consume TOPIC [--max N] [--to-end] [--uncommitted]
#                                                    records, one a line: only what is committed unless told otherwise; for
#                                                    ever, or until there are N, or until no more has come for three seconds
# Everything takes --dir DIR, where the broker's data, settings and log are: build/kafka unless given. A broker that is
# started again in its folder has its topics and its port again. --secure adds a listener with TLS and SASL/SCRAM, user
# alice with password alice-secret; users, ports and certificates are in DIR/broker.env.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pom=$root/connectors/kafka/testing/pom.xml
cache=$root/build/kafka-classpath
java_options=(-Xmx512m -Xms64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.showDateTime=true
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS")

fail() {
  echo "kafka.sh: $1" >&2
  exit "${2:-1}"
}
usage() {
  sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 2
}

command=${1:-}
[[ -n $command ]] || usage
shift
dir=$root/build/kafka
secure=false
port=0
words=()
while (($# > 0)); do
  case $1 in
    --dir) dir=$2 && shift 2 ;;
    --port) port=$2 && shift 2 ;;
    --secure) secure=true && shift ;;
    *) words+=("$1") && shift ;;
  esac
done

# Leaves the class path in $classpath. Jars stay in Maven's own cache; the path is kept per version of the pom.
resolve() {
  local key path log
  key=$(sha256sum "$pom" | cut -c1-16)
  path=$cache/$key
  if [[ -s $path ]]; then
    classpath=$(< "$path")
    local jar missing=false
    while IFS= read -r -d : jar; do [[ -e $jar ]] || missing=true; done <<< "$classpath:"
    $missing || return 0
  fi
  if ! command -v mvn > /dev/null || ! command -v java > /dev/null; then "$root/scripts/install.sh"; fi
  mkdir -p "$cache"
  log=$cache/maven-$$.log
  echo "Resolving Apache Kafka from Maven Central ..." >&2
  if ! mvn -q -B -f "$pom" dependency:build-classpath -Dmdep.outputFile="$path.$$" > "$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "Maven could not resolve Apache Kafka (lines above). Its jars come from Maven Central: give this machine access to
repo.maven.apache.org, or a mirror in ~/.m2/settings.xml, or a ~/.m2/repository that has them."
  fi
  rm -f "$log"
  mv "$path.$$" "$path"
  classpath=$(< "$path")
}

java_run() { java "${java_options[@]}" -cp "$classpath" "$@"; }

# The commands for topics and records want quiet; what goes wrong they say themselves.
tool() { java "${java_options[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$classpath" "$@"; }

broker_pid() {
  local pid
  [[ -s $dir/broker.pid ]] || return 1
  pid=$(< "$dir/broker.pid")
  # The number may be another process's by now.
  tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null | grep -qF -- "$dir/server.properties" || return 1
  echo "$pid"
}

load_environment() {
  [[ -s $dir/broker.env ]] || fail "no broker was ever started in $dir; scripts/kafka.sh start [--dir DIR] starts one"
  # shellcheck disable=SC1091
  source "$dir/broker.env"
}

free_ports() {
  python3 - "$@" << 'PYTHON'
import socket, sys
taken = [socket.socket() for _ in range(3)]
for i, s in enumerate(taken):
    s.bind(("127.0.0.1", int(sys.argv[1]) if i == 0 else 0))
print(*(s.getsockname()[1] for s in taken))
PYTHON
}

make_certificates() {
  local store=$dir/tls/broker.p12
  mkdir -p "$dir/tls"
  keytool -genkeypair -alias broker -keyalg EC -groupname secp256r1 -validity 3650 -dname CN=localhost \
    -ext san=dns:localhost,ip:127.0.0.1 -storetype PKCS12 -keystore "$store" -storepass broker-secret 2> /dev/null
  keytool -exportcert -rfc -alias broker -keystore "$store" -storepass broker-secret -file "$dir/tls/ca.pem" 2> /dev/null
}

# Records are kept however old their timestamps are: those of examples and tests are years old.
# Settings, identity and, with --secure, certificates and users: once per folder.
prepare() {
  [[ ! -s $dir/broker.env ]] || return 0
  local plain controller sasl listeners advertised format=()
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  read -r plain controller sasl < <(free_ports "$port") || fail "port $port is taken; leave --port away for a free one"
  listeners=PLAINTEXT://127.0.0.1:$plain
  if $secure; then listeners+=,SASL_SSL://127.0.0.1:$sasl; fi
  advertised=$listeners
  cat > "$dir/server.properties" << PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=$listeners,CONTROLLER://127.0.0.1:$controller
advertised.listeners=$advertised
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
log.dirs=$dir/data
num.network.threads=2
num.io.threads=2
background.threads=2
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
log.segment.bytes=268435456
log.retention.ms=-1
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
PROPERTIES
  if $secure; then
    make_certificates
    cat >> "$dir/server.properties" << PROPERTIES
sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.sasl_ssl.ssl.keystore.type=PKCS12
listener.name.sasl_ssl.ssl.keystore.location=$dir/tls/broker.p12
listener.name.sasl_ssl.ssl.keystore.password=broker-secret
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
PROPERTIES
    format=(--add-scram 'SCRAM-SHA-256=[name=alice,password=alice-secret]')
  fi
  java_run kafka.tools.StorageTool format -t "$(java_run kafka.tools.StorageTool random-uuid 2> /dev/null)" \
    -c "$dir/server.properties" "${format[@]}" > "$dir/format.log" 2>&1 ||
    { cat "$dir/format.log" >&2 && fail "the storage of a broker in $dir could not be formatted (lines above)"; }
  {
    echo "bootstrap=127.0.0.1:$plain"
    if $secure; then printf '%s\n' "secure_bootstrap=localhost:$sasl" "secure_ca=$dir/tls/ca.pem"; fi
  } > "$dir/broker.env.part"
  mv "$dir/broker.env.part" "$dir/broker.env"
}

# Replaces this shell by the broker, so that whoever started the script has the broker as its child.
run_broker() {
  resolve
  prepare
  load_environment
  echo "kafka.sh: broker at $bootstrap${secure_bootstrap:+ (secure: $secure_bootstrap)}"
  echo $$ > "$dir/broker.pid"
  exec java "${java_options[@]}" -cp "$classpath" kafka.Kafka "$dir/server.properties"
}

start_broker() {
  local pid log=$dir/broker.log options=(--dir "$dir" --port "$port")
  if pid=$(broker_pid); then
    load_environment
    echo "Kafka is already running at $bootstrap (process $pid)."
    return
  fi
  if $secure; then options+=(--secure); fi
  resolve
  mkdir -p "$dir"
  : > "$log"
  setsid "${BASH_SOURCE[0]}" run "${options[@]}" >> "$log" 2>&1 < /dev/null &
  pid=$!
  # Ends with the line that is waited for, or with the broker.
  local lines follower started=true
  exec {lines}< <(exec tail -n +1 -f --pid="$pid" "$log")
  follower=$!
  grep -q -m 1 'Kafka Server started' <&"$lines" || started=false
  kill "$follower" 2> /dev/null || true
  exec {lines}<&-
  if ! $started; then
    tail -n 30 "$log" >&2
    fail "the broker did not start; the lines above, of $log, say why"
  fi
  load_environment
  echo "Kafka is running at $bootstrap (process $pid, data in $dir)."
}

stop_broker() {
  local pid
  if ! pid=$(broker_pid); then
    echo "No broker is running in $dir."
    return
  fi
  kill -TERM "$pid"
  tail -f --pid="$pid" /dev/null
  rm -f "$dir/broker.pid"
  echo "Kafka has stopped."
}

topic_command() {
  local verb=${1:-} name=${2:-} options=()
  shift $(($# > 2 ? 2 : $#))
  case $verb in
    create)
      [[ -n $name ]] || usage
      options=(--create --topic "$name" --if-not-exists)
      if [[ " $* " != *" --partitions "* ]]; then options+=(--partitions 1); fi
      ;;
    list) options=(--list) ;;
    describe | delete) [[ -n $name ]] || usage && options=("--$verb" --topic "$name") ;;
    *) usage ;;
  esac
  tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$bootstrap" "${options[@]}" "$@"
}

consume() {
  local topic=${1:-} isolation=read_committed options=(--from-beginning)
  [[ -n $topic ]] || usage
  shift
  while (($# > 0)); do
    case $1 in
      --max) options+=(--max-messages "$2") && shift 2 ;;
      --to-end)
        options+=(--timeout-ms 3000) && shift
        # Which the tool calls an error.
        java_options+=(-Dorg.slf4j.simpleLogger.log.org.apache.kafka.tools.consumer.ConsoleConsumer=off)
        ;;
      --uncommitted) isolation=read_uncommitted && shift ;;
      *) usage ;;
    esac
  done
  tool org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$bootstrap" --topic "$topic" \
    --isolation-level "$isolation" "${options[@]}"
}

case $command in
  fetch) resolve ;;
  run) run_broker ;;
  start) start_broker ;;
  stop) stop_broker ;;
  status)
    if pid=$(broker_pid); then
      load_environment
      echo "Kafka is running at $bootstrap (process $pid, data in $dir)."
    else
      echo "No broker is running in $dir."
      exit 1
    fi
    ;;
  topic | produce | consume)
    load_environment
    broker_pid > /dev/null || fail "no broker is running in $dir; scripts/kafka.sh start starts it"
    resolve
    case $command in
      topic) topic_command "${words[@]}" ;;
      produce)
        [[ -n ${words[0]:-} ]] || usage
        tool kafka.tools.ConsoleProducer --bootstrap-server "$bootstrap" --topic "${words[0]}"
        ;;
      consume) consume "${words[@]}" ;;
    esac
    ;;
  *) usage ;;
esac
