package abovefold.peers;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The window, the last reads of each reader and the trends in Kafka Streams: a processor with two stores in memory, whose changelogs are
 * topics. What a window holds is written and committed when its wall-clock punctuation comes.
 */
public final class StreamsPeer {
    private StreamsPeer() {}

    public static void main(String[] args) throws InterruptedException {
        String bootstrap = args[0];
        String topic = args[1];
        int redis = Integer.parseInt(args[2]);
        Duration window = Duration.ofMillis(Long.parseLong(args[3]));
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[4]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[5]);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        // Committed by the punctuation, once the window is in Redis.
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Long.MAX_VALUE);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 * 1024);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");

        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore("sessions"), Serdes.String(), Serdes.ByteArray()));
        builder.addStateStore(
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("trends"), Serdes.Long(), Serdes.ByteArray()));
        builder.stream(topic, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .process(() -> new Window(redis, window), "sessions", "trends");

        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(Duration.ofSeconds(10));
            ended.countDown();
        }));
        streams.start();
        ended.await();
    }

    /** One task's window. */
    private static final class Window implements Processor<byte[], byte[], Void, Void> {
        private final int redis;
        private final Duration length;
        private final Map<String, ByteArrayOutputStream> since = new HashMap<>();
        private final Map<Long, Trend> known = new HashMap<>();
        private final Map<Long, Long> touched = new HashMap<>();
        private ProcessorContext<Void, Void> context;
        private KeyValueStore<String, byte[]> sessions;
        private KeyValueStore<Long, byte[]> trends;
        private RedisWriter writer;

        Window(int redis, Duration length) {
            this.redis = redis;
            this.length = length;
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            this.context = context;
            sessions = context.getStateStore("sessions");
            trends = context.getStateStore("trends");
            writer = new RedisWriter(redis, context.taskId().toString());
            context.schedule(length, PunctuationType.WALL_CLOCK_TIME, at -> close(at));
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            Read read;
            try {
                read = Read.parse(record.value());
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            since.computeIfAbsent(read.reader(), reader -> new ByteArrayOutputStream(4 * Read.BYTES))
                    .writeBytes(read.kept());
            known.computeIfAbsent(read.article(), article -> Trend.fromBytes(trends.get(article))).add(read.time());
            touched.merge(read.article(), 1L, Long::sum);
        }

        private void close(long at) {
            if (since.isEmpty()) {
                return;
            }
            since.forEach((reader, reads) -> {
                byte[] news = reads.toByteArray();
                byte[] session = Session.append(sessions.get(reader), news);
                sessions.put(reader, session);
                writer.session(reader, session, news.length / Read.BYTES);
            });
            touched.forEach((article, more) -> {
                byte[] trend = known.get(article).toBytes();
                trends.put(article, trend);
                writer.trend(article, trend, more);
            });
            since.clear();
            touched.clear();
            writer.flush();
            context.commit();
        }

        @Override
        public void close() {
            writer.close();
        }
    }
}
