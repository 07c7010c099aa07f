package abovefold.peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.LocalDateTime;
import java.time.ZoneOffset;

/** One event: who read what and when, with the 25 bytes that a session keeps of it. */
record Read(String reader, long article, long time, byte[] kept) {
    /** Article and time (8 bytes each), read time and scroll (4 each), device; little-endian. */
    static final int BYTES = 25;

    private static final JsonFactory JSON = new JsonFactory();

    static Read parse(byte[] json) throws IOException {
        String reader = "";
        long article = 0;
        long time = 0;
        float seconds = 0;
        float scroll = 0;
        byte device = 0;
        try (JsonParser parser = JSON.createParser(json)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String field = parser.currentName();
                parser.nextToken();
                switch (field) {
                    case "user_id" -> reader = parser.getText();
                    case "article_id" -> article = parser.getLongValue();
                    case "read_time" -> seconds = parser.getFloatValue();
                    case "scroll_pct" -> scroll = parser.getFloatValue();
                    case "device_type" -> device = (byte) parser.getIntValue();
                    case "timestamp" -> time = millis(parser.getText());
                    default -> parser.skipChildren();
                }
            }
        }
        ByteBuffer kept = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        kept.putLong(article).putLong(time).putFloat(seconds).putFloat(scroll).put(device);
        return new Read(reader, article, time, kept.array());
    }

    private static long millis(String text) {
        return LocalDateTime.parse(text).toInstant(ZoneOffset.UTC).toEpochMilli();
    }
}
