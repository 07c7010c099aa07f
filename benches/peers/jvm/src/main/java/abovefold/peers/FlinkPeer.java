package abovefold.peers;

import java.io.IOException;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingProcessingTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** The same in Flink's mini cluster: two keyed windows over one source, one by reader and one by article, each into Redis. */
public final class FlinkPeer {
    private FlinkPeer() {}

    public static void main(String[] args) throws Exception {
        int redis = Integer.parseInt(args[2]);
        Duration window = Duration.ofMillis(Long.parseLong(args[3]));
        Configuration settings = new Configuration();
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + args[5]);
        settings.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(16));
        settings.set(TaskManagerOptions.NETWORK_MEMORY_MIN, MemorySize.ofMebiBytes(128));
        settings.set(TaskManagerOptions.NETWORK_MEMORY_MAX, MemorySize.ofMebiBytes(128));
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(2, settings);
        flink.getConfig().enableObjectReuse();
        flink.enableCheckpointing(10_000);

        KafkaSource<Tuple3<String, Long, byte[]>> source = KafkaSource.<Tuple3<String, Long, byte[]>>builder()
                .setBootstrapServers(args[0])
                .setTopics(args[1])
                .setGroupId(args[4])
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setProperty("max.poll.records", "5000")
                .setDeserializer(new Parse())
                .build();
        DataStream<Tuple3<String, Long, byte[]>> reads =
                flink.fromSource(source, WatermarkStrategy.noWatermarks(), "user_events");
        reads.keyBy(read -> read.f0)
                .window(TumblingProcessingTimeWindows.of(window))
                .aggregate(new Concat(), new Append(), READS, READS, CHANGE)
                .sinkTo(new RedisSink(redis, true))
                .name("sessions");
        reads.keyBy(read -> read.f1)
                .window(TumblingProcessingTimeWindows.of(window))
                .aggregate(new Count(), new Merge(), TREND, TREND, CHANGE)
                .sinkTo(new RedisSink(redis, false))
                .name("trends");
        flink.execute("peers");
    }

    private static final TypeInformation<byte[]> READS = PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
    /** Reader or article, how many reads more, and the value. */
    private static final TypeInformation<Tuple3<String, Long, byte[]>> CHANGE =
            Types.TUPLE(Types.STRING, Types.LONG, READS);

    private static final TypeInformation<Trend> TREND = Types.POJO(Trend.class);

    /** A record as reader, article, and what is kept of the read. */
    private static final class Parse implements KafkaRecordDeserializationSchema<Tuple3<String, Long, byte[]>> {
        @Override
        public void deserialize(
                ConsumerRecord<byte[], byte[]> record, Collector<Tuple3<String, Long, byte[]>> out)
                throws IOException {
            Read read = Read.parse(record.value());
            out.collect(Tuple3.of(read.reader(), read.article(), read.kept()));
        }

        @Override
        public TypeInformation<Tuple3<String, Long, byte[]>> getProducedType() {
            return CHANGE;
        }
    }

    /** The reads of one reader in a window, one after the other. */
    private static final class Concat implements AggregateFunction<Tuple3<String, Long, byte[]>, byte[], byte[]> {
        @Override
        public byte[] createAccumulator() {
            return new byte[0];
        }

        @Override
        public byte[] add(Tuple3<String, Long, byte[]> read, byte[] reads) {
            return Session.concat(reads, read.f2);
        }

        @Override
        public byte[] getResult(byte[] reads) {
            return reads;
        }

        @Override
        public byte[] merge(byte[] first, byte[] second) {
            return Session.concat(first, second);
        }
    }

    /** A window's reads after those before. */
    private static final class Append
            extends ProcessWindowFunction<byte[], Tuple3<String, Long, byte[]>, String, TimeWindow> {
        private static final ValueStateDescriptor<byte[]> SESSION = new ValueStateDescriptor<>("session", READS);

        @Override
        public void process(
                String reader, Context context, Iterable<byte[]> windows, Collector<Tuple3<String, Long, byte[]>> out)
                throws IOException {
            byte[] news = windows.iterator().next();
            ValueState<byte[]> session = context.globalState().getState(SESSION);
            byte[] reads = Session.append(session.value(), news);
            session.update(reads);
            out.collect(Tuple3.of(reader, (long) news.length / Read.BYTES, reads));
        }
    }

    /** The reads of one article in a window. */
    private static final class Count implements AggregateFunction<Tuple3<String, Long, byte[]>, Trend, Trend> {
        @Override
        public Trend createAccumulator() {
            return new Trend();
        }

        @Override
        public Trend add(Tuple3<String, Long, byte[]> read, Trend trend) {
            trend.add(Session.timeOf(read.f2));
            return trend;
        }

        @Override
        public Trend getResult(Trend trend) {
            return trend;
        }

        @Override
        public Trend merge(Trend first, Trend second) {
            first.add(second);
            return first;
        }
    }

    /** A window's reads of an article added to those before. */
    private static final class Merge
            extends ProcessWindowFunction<Trend, Tuple3<String, Long, byte[]>, Long, TimeWindow> {
        private static final ValueStateDescriptor<Trend> KEPT = new ValueStateDescriptor<>("trend", TREND);

        @Override
        public void process(
                Long article, Context context, Iterable<Trend> windows, Collector<Tuple3<String, Long, byte[]>> out)
                throws IOException {
            Trend news = windows.iterator().next();
            ValueState<Trend> kept = context.globalState().getState(KEPT);
            Trend trend = kept.value() == null ? new Trend() : kept.value();
            trend.add(news);
            kept.update(trend);
            out.collect(Tuple3.of(article.toString(), news.reads, trend.toBytes()));
        }
    }
}
