package abovefold.peers;

import org.apache.flink.api.common.operators.ProcessingTimeService;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.java.tuple.Tuple3;

/** Sessions or trends into Redis: a batch when it is full, and what is left soon after. */
final class RedisSink implements Sink<Tuple3<String, Long, byte[]>> {
    private static final int BATCH = 2_000;
    private static final long LINGER_MS = 20;

    private final int port;
    private final boolean sessions;

    RedisSink(int port, boolean sessions) {
        this.port = port;
        this.sessions = sessions;
    }

    @Override
    public SinkWriter<Tuple3<String, Long, byte[]>> createWriter(WriterInitContext context) {
        String part = (sessions ? "sessions-" : "trends-") + context.getTaskInfo().getIndexOfThisSubtask();
        return new Writer(new RedisWriter(port, part), sessions, context.getProcessingTimeService());
    }

    private static final class Writer implements SinkWriter<Tuple3<String, Long, byte[]>> {
        private final RedisWriter redis;
        private final boolean sessions;
        private final ProcessingTimeService time;
        private boolean waiting;

        Writer(RedisWriter redis, boolean sessions, ProcessingTimeService time) {
            this.redis = redis;
            this.sessions = sessions;
            this.time = time;
        }

        @Override
        public void write(Tuple3<String, Long, byte[]> change, Context context) {
            if (sessions) {
                redis.session(change.f0, change.f2, change.f1);
            } else {
                redis.trend(Long.parseLong(change.f0), change.f2, change.f1);
            }
            if (redis.size() >= BATCH) {
                redis.flush();
            } else if (!waiting) {
                waiting = true;
                time.registerTimer(time.getCurrentProcessingTime() + LINGER_MS, at -> {
                    waiting = false;
                    redis.flush();
                });
            }
        }

        @Override
        public void flush(boolean endOfInput) {
            redis.flush();
        }

        @Override
        public void close() {
            redis.close();
        }
    }
}
