import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams with one thread: a persistent store (RocksDB, with its cache in front) and a changelog topic, at least
 * once. The job is that of job.py. Commits are 30 s apart, which is its default; nothing is awaited per batch.
 */
public final class StreamsPeer {
  private static final int PANES = 6;
  private static final long PANE_MS = 600_000;
  private static final int STANDS_OUT = 1 + 2 * PANES;
  private static final int LENGTH = 2 + 2 * PANES;
  private static final JsonFactory JSON = new JsonFactory();

  private static long expected;
  private static long seen;
  private static long actions;
  private static long began;
  private static long cpuBegan;
  private static final CountDownLatch over = new CountDownLatch(1);

  public static void main(String[] args) throws Exception {
    String topic = args[1];
    String out = args[2];
    expected = Long.parseLong(args[4]);
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore("customers"), Serdes.ByteArray(), Serdes.ByteArray())
            .withCachingEnabled());
    builder.stream(topic, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .process(Watch::new, "customers")
        .to(out, Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    KafkaStreams streams = new KafkaStreams(builder.build(), settings(args[0], args[3]));
    streams.start();
    over.await();
    streams.close();
  }

  private static Properties settings(String servers, String group) throws IOException {
    Properties found = new Properties();
    found.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, servers);
    found.put(StreamsConfig.APPLICATION_ID_CONFIG, group);
    found.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    found.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
    found.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("streams").toString());
    found.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
    found.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    return found;
  }

  private static final class Watch implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> customers;
    private String customer;
    private long at;
    private double value;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      this.customers = context.getStateStore("customers");
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      if (seen++ == 0) {
        began = System.nanoTime();
        cpuBegan = cpu();
      }
      read(record.value());
      double[] state = unpacked(customers.get(record.key()));
      if (take(state)) {
        actions++;
        context.forward(record.withValue(action()));
      }
      customers.put(record.key(), packed(state));
      if (seen == expected) {
        tell();
        over.countDown();
      }
    }

    private void read(byte[] raw) {
      try (JsonParser parser = JSON.createParser(raw)) {
        while (parser.nextToken() != null) {
          if (parser.currentToken() != JsonToken.FIELD_NAME) {
            continue;
          }
          switch (parser.currentName()) {
            case "customer" -> customer = parser.nextTextValue();
            case "at" -> at = parser.nextLongValue(0);
            case "value" -> {
              parser.nextToken();
              value = parser.getDoubleValue();
            }
            default -> { }
          }
        }
      } catch (IOException wrong) {
        throw new IllegalArgumentException(wrong);
      }
    }

    private boolean take(double[] state) {
      long pane = at / PANE_MS;
      if (pane > state[0]) {
        for (long passed = (long) state[0] + 1; passed <= Math.min(pane, (long) state[0] + PANES); passed++) {
          int place = 1 + 2 * (int) (passed % PANES);
          state[place] = 0;
          state[place + 1] = 0;
        }
        state[0] = pane;
      }
      int place = 1 + 2 * (int) (pane % PANES);
      state[place] += 1;
      state[place + 1] += value;
      double readings = 0;
      double sum = 0;
      for (int each = 1; each < STANDS_OUT; each += 2) {
        readings += state[each];
        sum += state[each + 1];
      }
      boolean now = readings >= 5 && (sum / readings > 78 || sum / readings < 22 || readings >= 20_000);
      boolean begins = now && state[STANDS_OUT] == 0;
      state[STANDS_OUT] = now ? 1 : 0;
      return begins;
    }

    private double[] unpacked(byte[] stored) {
      double[] state = new double[LENGTH];
      if (stored == null) {
        state[0] = at / PANE_MS;
      } else {
        ByteBuffer.wrap(stored).asDoubleBuffer().get(state);
      }
      return state;
    }

    private byte[] packed(double[] state) {
      ByteBuffer found = ByteBuffer.allocate(8 * LENGTH);
      found.asDoubleBuffer().put(state);
      return found.array();
    }

    private byte[] action() {
      String text = "{\"customer\":\"" + customer + "\",\"at\":" + at + ",\"play\":\"tell\"}";
      return text.getBytes(StandardCharsets.UTF_8);
    }
  }

  private static long cpu() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
  }

  private static void tell() {
    System.out.printf(
        Locale.ROOT,
        "{\"events\":%d,\"seconds\":%f,\"cpu_seconds\":%f,\"peak_rss_mb\":%f,\"actions\":%d}%n",
        seen, (System.nanoTime() - began) / 1e9, (cpu() - cpuBegan) / 1e9, peakMb(), actions);
  }

  private static double peakMb() {
    try {
      return Files.readAllLines(Path.of("/proc/self/status")).stream()
          .filter(line -> line.startsWith("VmHWM"))
          .mapToDouble(line -> Double.parseDouble(line.replaceAll("\\D", "")) / 1024)
          .findFirst().orElse(0);
    } catch (IOException unreadable) {
      return 0;
    }
  }
}
