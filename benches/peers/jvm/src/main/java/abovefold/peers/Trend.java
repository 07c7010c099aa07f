package abovefold.peers;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * How often an article was read: in all, and decayed by each half-life, as of its latest read. The same sums as in Abovefold's
 * {@code operators/src/fold/trends.rs}.
 */
public final class Trend {
    static final long[] HALF_LIVES_MS = {120_000, 420_000, 1_200_000, 2_700_000, 28_800_000, 129_600_000};
    private static final int BYTES = 8 * (3 + HALF_LIVES_MS.length);

    public long reads;
    public long time;
    public long firstSeen;
    public double[] decayed = new double[HALF_LIVES_MS.length];

    void add(long at) {
        if (reads == 0) {
            time = at;
            firstSeen = at;
        }
        long later = at - time;
        for (int i = 0; i < decayed.length; i++) {
            double share = Math.pow(2, -Math.abs((double) later) / HALF_LIVES_MS[i]);
            decayed[i] = later >= 0 ? decayed[i] * share + 1 : decayed[i] + share;
        }
        reads++;
        time = Math.max(time, at);
        firstSeen = Math.min(firstSeen, at);
    }

    /** Adds what another part of the log says of the same article. */
    void add(Trend other) {
        if (other.reads == 0) {
            return;
        }
        long latest = reads == 0 ? other.time : Math.max(time, other.time);
        for (int i = 0; i < decayed.length; i++) {
            double mine = reads == 0 ? 0 : decayed[i] * Math.pow(2, (double) (time - latest) / HALF_LIVES_MS[i]);
            decayed[i] = mine + other.decayed[i] * Math.pow(2, (double) (other.time - latest) / HALF_LIVES_MS[i]);
        }
        firstSeen = reads == 0 ? other.firstSeen : Math.min(firstSeen, other.firstSeen);
        reads += other.reads;
        time = latest;
    }

    byte[] toBytes() {
        ByteBuffer bytes = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(reads).putLong(time).putLong(firstSeen);
        for (double sum : decayed) {
            bytes.putDouble(sum);
        }
        return bytes.array();
    }

    static Trend fromBytes(byte[] kept) {
        Trend trend = new Trend();
        if (kept == null) {
            return trend;
        }
        ByteBuffer bytes = ByteBuffer.wrap(kept).order(ByteOrder.LITTLE_ENDIAN);
        trend.reads = bytes.getLong();
        trend.time = bytes.getLong();
        trend.firstSeen = bytes.getLong();
        for (int i = 0; i < trend.decayed.length; i++) {
            trend.decayed[i] = bytes.getDouble();
        }
        return trend;
    }
}
