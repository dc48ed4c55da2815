package android.media;

import java.io.IOException;
import java.io.InputStream;

/** As in API 24, the app's minSdk; the android.jar at hand is of API 23 and reads files only. */
public class ExifInterface {
    public static final String TAG_ORIENTATION = "Orientation";

    public ExifInterface(InputStream photo) throws IOException {}

    public int getAttributeInt(String tag, int otherwise) {
        return otherwise;
    }
}
