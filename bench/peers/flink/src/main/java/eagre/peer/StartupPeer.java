package eagre.peer;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apache.flink.client.cli.CliFrontend;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.JobManagerOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.runtime.clusterframework.TaskExecutorProcessSpec;
import org.apache.flink.runtime.clusterframework.TaskExecutorProcessUtils;
import org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint;
import org.apache.flink.runtime.jobmanager.JobManagerProcessUtils;
import org.apache.flink.runtime.taskexecutor.TaskManagerRunner;
import org.apache.flink.runtime.util.config.memory.ProcessMemoryUtils;

/**
 * A cluster of two processes until its slots are registered, and `flink run` of Hello until its record is out; and what
 * the processes hold in memory before. They are started as Flink's scripts start them, with the sizes that its own
 * configuration file has, but for the time that the scripts themselves take.
 */
final class StartupPeer implements Peer {
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  private final int slots;
  private final String jar;

  StartupPeer(int slots, String jar) {
    this.slots = slots;
    this.jar = jar;
  }

  @Override
  public String answer() throws Exception {
    Path folder = Files.createTempDirectory("flink-startup");
    int restPort = freePort();
    Files.writeString(folder.resolve("config.yaml"),
        "jobmanager.rpc.address: localhost\njobmanager.rpc.port: " + freePort() + "\nrest.address: localhost\nrest.port: "
            + restPort + "\nio.tmp.dirs: " + folder + "\n");
    List<Process> daemons = new ArrayList<>();
    try {
      long begun = System.nanoTime();
      daemons.add(java(folder, jobManagerMemory(), StandaloneSessionClusterEntrypoint.class, "--configDir",
          folder.toString()));
      List<String> arguments = new ArrayList<>(List.of("--configDir", folder.toString()));
      daemons.add(java(folder, taskManagerMemory(arguments), TaskManagerRunner.class, arguments.toArray(String[]::new)));
      while (!hasSlots(restPort)) Thread.sleep(5);
      double startSeconds = (System.nanoTime() - begun) / 1e9;
      double jobManagerMib = residentMib(daemons.get(0));
      double taskManagerMib = residentMib(daemons.get(1));

      Path output = folder.resolve("first-record");
      begun = System.nanoTime();
      int status = java(folder, "", CliFrontend.class, "run", "-c", Hello.class.getName(), jar, output.toString()).waitFor();
      if (status != 0) throw new IOException("flink run failed; its output is in " + folder);
      double jobSeconds = (Long.parseLong(Files.readString(output)) - begun) / 1e9;
      return String.format(Locale.ROOT,
          "{\"cluster_start_seconds\":%.3f,\"first_record_seconds\":%.3f,\"idle_jobmanager_mib\":%.1f,"
              + "\"idle_taskmanager_mib\":%.1f}",
          startSeconds, jobSeconds, jobManagerMib, taskManagerMib);
    } finally {
      for (Process daemon : daemons) daemon.destroyForcibly().waitFor();
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  /** A Java like this one, without this program's own classes. */
  private static Process java(Path folder, String memory, Class<?> main, String... arguments) throws IOException {
    String classPath = System.getProperty("java.class.path");
    List<String> command = new ArrayList<>(List.of(System.getProperty("java.home") + "/bin/java"));
    for (String option : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
      if (option.startsWith("--add-")) command.add(option);
    }
    if (!memory.isEmpty()) command.addAll(Arrays.asList(memory.split(" ")));
    command.addAll(
        List.of("-cp", classPath.substring(classPath.indexOf(File.pathSeparatorChar) + 1), main.getName()));
    command.addAll(Arrays.asList(arguments));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("FLINK_CONF_DIR", folder.toString());
    builder.redirectErrorStream(true).redirectOutput(folder.resolve(main.getSimpleName() + ".log").toFile());
    return builder.start();
  }

  private static String jobManagerMemory() {
    Configuration config = new Configuration();
    config.set(JobManagerOptions.TOTAL_PROCESS_MEMORY, MemorySize.parse("1600m"));
    return JobManagerProcessUtils.generateJvmParametersStr(
        JobManagerProcessUtils.processSpecFromConfig(config), config);
  }

  /** Adds the settings that follow from the size of the process to `arguments`. */
  private String taskManagerMemory(List<String> arguments) {
    Configuration config = new Configuration();
    config.set(TaskManagerOptions.TOTAL_PROCESS_MEMORY, MemorySize.parse("1728m"));
    config.set(TaskManagerOptions.NUM_TASK_SLOTS, slots);
    TaskExecutorProcessSpec spec = TaskExecutorProcessUtils.processSpecFromConfig(config);
    arguments.addAll(Arrays.asList(TaskExecutorProcessUtils.generateDynamicConfigsStr(spec).split(" ")));
    return ProcessMemoryUtils.generateJvmParametersStr(spec);
  }

  private boolean hasSlots(int restPort) throws InterruptedException {
    URI overview = URI.create("http://localhost:" + restPort + "/overview");
    try {
      String answer = HTTP.send(HttpRequest.newBuilder(overview).build(), BodyHandlers.ofString()).body();
      return answer.contains("\"slots-total\":" + slots);
    } catch (IOException notYet) {
      return false;
    }
  }

  private static double residentMib(Process process) throws IOException {
    String pages = Files.readString(Path.of("/proc/" + process.pid() + "/statm")).split(" ")[1];
    return Long.parseLong(pages) * 4096.0 / (1 << 20);
  }
}
