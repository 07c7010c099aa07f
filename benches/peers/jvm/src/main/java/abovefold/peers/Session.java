package abovefold.peers;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** A reader's last 50 reads, one after the other. */
final class Session {
    static final int MOST = 50 * Read.BYTES;

    private Session() {}

    /** The reads so far ({@code null}: none) and those that came since, without what is too old. */
    static byte[] append(byte[] before, byte[] since) {
        int had = before == null ? 0 : before.length;
        int length = Math.min(MOST, had + since.length);
        byte[] reads = new byte[length];
        int fresh = Math.min(length, since.length);
        System.arraycopy(since, since.length - fresh, reads, length - fresh, fresh);
        if (length > fresh) {
            System.arraycopy(before, had - (length - fresh), reads, 0, length - fresh);
        }
        return reads;
    }

    /** Two runs of reads as one. */
    static byte[] concat(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    /** When a read was, from what is kept of it. */
    static long timeOf(byte[] read) {
        return ByteBuffer.wrap(read).order(ByteOrder.LITTLE_ENDIAN).getLong(8);
    }
}
