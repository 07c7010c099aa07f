package abovefold.peers;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;

/** Collects what changed and writes it in one pipeline: sessions, dropped candidates, trends, and how far they have come. */
final class RedisWriter implements AutoCloseable {
    /** Keys of one MSET or DEL. */
    private static final int CHUNK = 1_000;

    private final Jedis jedis;
    private final byte[] part;
    private final Map<String, byte[]> sessions = new HashMap<>();
    private final Map<byte[], byte[]> trends = new HashMap<>();
    private long reads;
    private long counted;

    /** {@code part} names the share of the work that this writer does: its trends and its progress are its own. */
    RedisWriter(int port, String part) {
        jedis = new Jedis("127.0.0.1", port);
        this.part = part.getBytes(UTF_8);
    }

    /** A reader's session, which holds so many reads more than before. */
    void session(String reader, byte[] session, long more) {
        sessions.put(reader, session);
        reads += more;
    }

    /** An article's trend, which counts so many reads more than before. */
    void trend(long article, byte[] trend, long more) {
        trends.put(Long.toString(article).getBytes(UTF_8), trend);
        counted += more;
    }

    int size() {
        return sessions.size() + trends.size();
    }

    void flush() {
        if (size() == 0) {
            return;
        }
        try (Pipeline pipeline = jedis.pipelined()) {
            List<byte[]> pairs = new ArrayList<>();
            List<byte[]> candidates = new ArrayList<>();
            for (Map.Entry<String, byte[]> entry : sessions.entrySet()) {
                pairs.add(("session:" + entry.getKey()).getBytes(UTF_8));
                pairs.add(entry.getValue());
                candidates.add(("candidates:" + entry.getKey()).getBytes(UTF_8));
                if (candidates.size() == CHUNK) {
                    put(pipeline, pairs, candidates);
                }
            }
            if (!candidates.isEmpty()) {
                put(pipeline, pairs, candidates);
            }
            if (!trends.isEmpty()) {
                pipeline.hset(("trends:" + new String(part, UTF_8)).getBytes(UTF_8), trends);
            }
            pipeline.hset("progress:reads".getBytes(UTF_8), part, Long.toString(reads).getBytes(UTF_8));
            pipeline.hset("progress:trends".getBytes(UTF_8), part, Long.toString(counted).getBytes(UTF_8));
            pipeline.sync();
        }
        sessions.clear();
        trends.clear();
    }

    private static void put(Pipeline pipeline, List<byte[]> pairs, List<byte[]> candidates) {
        pipeline.mset(pairs.toArray(byte[][]::new));
        pipeline.del(candidates.toArray(byte[][]::new));
        pairs.clear();
        candidates.clear();
    }

    @Override
    public void close() {
        jedis.close();
    }
}
