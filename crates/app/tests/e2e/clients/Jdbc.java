// The PostgreSQL JDBC driver. Arguments: HOST PORT CA USER; the password in PGPASSWORD. Prints one JSON object.

import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyOut;

public final class Jdbc {
    private static final String VISITS = "select id, patient, region, born, amount, seen, urgent, weight, note from visits order by id";
    private static final String BIG =
        "select a.id as l, b.id as r, a.label || b.label as label from samples a cross join samples b where b.id <= 256";
    private static final String ASKED = "select id from visits where region = ? and amount >= ? and born < ? and seen >= ? "
        + "and urgent = ? and weight < ? and id >= ?";
    private static final String ENDLESS = "select a.label from samples a cross join samples b cross join samples c";

    private static Connection connect(String[] arguments, String password, String mode) throws SQLException {
        var properties = new Properties();
        properties.setProperty("user", arguments[3]);
        properties.setProperty("password", password);
        properties.setProperty("sslmode", mode);
        properties.setProperty("sslrootcert", arguments[2]);
        return DriverManager.getConnection("jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/polder", properties);
    }

    public static void main(String[] arguments) throws Exception {
        var told = new LinkedHashMap<String, Object>();
        String password = System.getenv("PGPASSWORD");
        try (Connection connection = connect(arguments, password, "verify-full")) {
            metadata(connection.getMetaData(), told);
            rows(connection, told);
            parameters(connection, told);
            large(connection, told);
            copies(connection, told);
            cancels(connection, told);
            told.put("missing", refused(connection, "select * from nothing_here"));
            told.put("written", refused(connection, "update visits set note = ''"));
            told.put("afterwards", number(connection, "select count(*) from visits"));
        }
        told.put("wrong_password", signIn(arguments, "wrong", "verify-full"));
        told.put("without_tls", signIn(arguments, password, "disable"));
        System.out.writeBytes((json(told) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private static void metadata(DatabaseMetaData metadata, Map<String, Object> told) throws SQLException {
        told.put("product", metadata.getDatabaseProductName());
        told.put("user", metadata.getUserName());
        var schemas = new ArrayList<Object>();
        try (ResultSet found = metadata.getSchemas()) {
            while (found.next()) {
                schemas.add(found.getString("TABLE_SCHEM"));
            }
        }
        told.put("schemas", schemas.containsAll(List.of("information_schema", "pg_catalog", "public")));
        var tables = new ArrayList<Object>();
        try (ResultSet found = metadata.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"})) {
            while (found.next()) {
                if (List.of("samples", "visits").contains(found.getString("TABLE_NAME"))) {
                    tables.add(List.of(found.getString("TABLE_SCHEM"), found.getString("TABLE_NAME"), found.getString("TABLE_TYPE")));
                }
            }
        }
        told.put("tables", tables);
        var columns = new ArrayList<Object>();
        try (ResultSet found = metadata.getColumns(null, "public", "visits", "%")) {
            while (found.next()) {
                columns.add(List.of(found.getString("COLUMN_NAME"), found.getString("TYPE_NAME"), found.getString("IS_NULLABLE")));
            }
        }
        told.put("columns", columns);
        var keys = new ArrayList<Object>();
        try (ResultSet found = metadata.getPrimaryKeys(null, "public", "visits")) {
            while (found.next()) {
                keys.add(found.getString("COLUMN_NAME"));
            }
        }
        told.put("key", keys);
    }

    private static void rows(Connection connection, Map<String, Object> told) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet found = statement.executeQuery(VISITS)) {
            ResultSetMetaData columns = found.getMetaData();
            var types = new LinkedHashMap<String, Object>();
            for (int column = 1; column <= columns.getColumnCount(); column++) {
                types.put(columns.getColumnName(column), columns.getColumnTypeName(column));
            }
            told.put("types", types);
            var rows = new ArrayList<Object>();
            while (found.next()) {
                var row = new ArrayList<Object>();
                row.add(found.getLong(1));
                row.add(found.getString(2));
                row.add(found.getString(3));
                row.add(text(found.getDate(4)));
                row.add(text(found.getBigDecimal(5)));
                OffsetDateTime seen = found.getObject(6, OffsetDateTime.class);
                row.add(seen == null ? null : seen.withOffsetSameInstant(ZoneOffset.UTC).toString());
                row.add(found.getObject(7));
                row.add(found.getObject(8));
                row.add(found.getString(9));
                rows.add(row);
            }
            told.put("rows", rows);
        }
    }

    /** Often enough that the driver prepares it under a name, and asks for binary formats. */
    private static void parameters(Connection connection, Map<String, Object> told) throws SQLException {
        var answers = new ArrayList<Object>();
        try (PreparedStatement statement = connection.prepareStatement(ASKED)) {
            for (int time = 0; time < 8; time++) {
                statement.setString(1, "north");
                statement.setBigDecimal(2, new BigDecimal("0.02"));
                statement.setDate(3, Date.valueOf("1986-01-01"));
                statement.setObject(4, OffsetDateTime.of(2026, 1, 2, 0, 0, 0, 0, ZoneOffset.UTC));
                statement.setBoolean(5, true);
                statement.setDouble(6, 100.0);
                statement.setLong(7, time < 4 ? 1 : 2);
                try (ResultSet found = statement.executeQuery()) {
                    answers.add(found.next() ? found.getLong(1) : 0L);
                }
            }
        }
        told.put("parameters", answers);
        try (PreparedStatement statement = connection.prepareStatement("select count(*) from visits where id <= ? and region = ?")) {
            told.put("parameter_count", statement.getParameterMetaData().getParameterCount());
            statement.setInt(1, 4);
            statement.setString(2, "south");
            try (ResultSet found = statement.executeQuery()) {
                found.next();
                told.put("counted", found.getLong(1));
            }
        }
    }

    /** A result that is larger than the server's memory: a portal from which so many rows are taken at a time. */
    private static void large(Connection connection, Map<String, Object> told) throws SQLException {
        connection.setAutoCommit(false);
        long rows = 0;
        long bytes = 0;
        long left = 0;
        long right = 0;
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(5000);
            try (ResultSet found = statement.executeQuery(BIG)) {
                while (found.next()) {
                    rows++;
                    left += found.getLong(1);
                    right += found.getLong(2);
                    bytes += found.getString(3).length();
                }
            }
        }
        connection.commit();
        connection.setAutoCommit(true);
        var counts = new LinkedHashMap<String, Object>();
        counts.put("rows", rows);
        counts.put("bytes", bytes);
        counts.put("left", left);
        counts.put("right", right);
        told.put("cursor", counts);
    }

    private static void copies(Connection connection, Map<String, Object> told) throws Exception {
        var into = new ByteArrayOutputStream();
        var manager = connection.unwrap(PGConnection.class).getCopyAPI();
        long copied = manager.copyOut("copy (select id, region from visits where id <= 3 order by id) to stdout (format csv)", into);
        told.put("copied", copied);
        told.put("copy", into.toString(StandardCharsets.UTF_8));
    }

    /** Once while its rows are coming, and once while it computes, by the driver's own timer. */
    private static void cancels(Connection connection, Map<String, Object> told) throws Exception {
        PGConnection driver = connection.unwrap(PGConnection.class);
        CopyOut copy = driver.getCopyAPI().copyOut("copy (" + ENDLESS + ") to stdout");
        try {
            copy.readFromCopy();
            driver.cancelQuery();
            while (copy.readFromCopy() != null) {
                // Rows that were on the way.
            }
            told.put("cancelled_copy", null);
        } catch (SQLException error) {
            told.put("cancelled_copy", error.getSQLState());
        }
        told.put("after_copy", number(connection, "select count(*) from visits"));
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            statement.executeQuery("select count(*) from (" + ENDLESS + " where a.label || b.label > c.label) x").close();
            told.put("cancelled", null);
        } catch (SQLException error) {
            told.put("cancelled", error.getSQLState());
        }
        told.put("after_cancel", number(connection, "select count(*) from visits"));
    }

    private static long number(Connection connection, String question) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet found = statement.executeQuery(question)) {
            found.next();
            return found.getLong(1);
        }
    }

    private static String refused(Connection connection, String asked) {
        try (Statement statement = connection.createStatement()) {
            statement.execute(asked);
            return null;
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }

    private static String signIn(String[] arguments, String password, String mode) {
        try (Connection connection = connect(arguments, password, mode)) {
            return null;
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }

    private static String text(Object value) {
        return value == null ? null : value.toString();
    }

    private static String json(Object value) {
        if (value instanceof Map<?, ?> map) {
            var parts = new ArrayList<String>();
            map.forEach((key, of) -> parts.add(json(key) + ": " + json(of)));
            return "{" + String.join(", ", parts) + "}";
        }
        if (value instanceof List<?> list) {
            var parts = new ArrayList<String>();
            list.forEach(of -> parts.add(json(of)));
            return "[" + String.join(", ", parts) + "]";
        }
        if (!(value instanceof String text)) {
            return String.valueOf(value);
        }
        var quoted = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\' || letter < ' ') {
                quoted.append(String.format("\\u%04x", (int) letter));
            } else {
                quoted.append(letter);
            }
        }
        return quoted.append('"').toString();
    }
}
