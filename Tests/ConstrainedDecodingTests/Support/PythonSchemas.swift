import Foundation
import Storage
import TestSupport
import Testing

/// Asks Python's `jsonschema` and `re`.
enum PythonSchemas {
    /// Runs a script on a JSON value, which it reads from the file that is its only argument, and returns the JSON
    /// value that it prints.
    static func run(_ script: String, _ input: JSONValue) throws -> JSONValue {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("pvit-\(UUID().uuidString).json")
        try Data(input.encoded()).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        return try JSONValue(parsing: Array(Python.run(script, path.path).utf8))
    }

    /// Why texts are not valid, `[[schema, text…], …]`; nothing if all are.
    static func failures(_ texts: [JSONValue]) throws -> [String] {
        try #require(run(validation, .array(texts)).array).compactMap(\.string)
    }

    private static let validation = #"""
        import datetime, json, re, sys
        from jsonschema import Draft202012Validator, FormatChecker

        checker = FormatChecker(formats=["date", "email", "ipv4", "uuid"])

        @checker.checks("date-time", raises=ValueError)
        def is_date_time(text):
            return not isinstance(text, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)", text)) and datetime.datetime.fromisoformat(text)

        @checker.checks("time", raises=ValueError)
        def is_time(text):
            return not isinstance(text, str) or is_date_time("2000-01-01T" + text)

        @checker.checks("hostname")
        def is_hostname(text):
            if not isinstance(text, str):
                return True
            labels = text.split(".")
            return len(text) <= 253 and all(re.fullmatch(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", label) for label in labels)

        def unique(pairs):
            assert len({key for key, _ in pairs}) == len(pairs), "a key occurs twice"
            return dict(pairs)

        def refuse(name):
            raise ValueError(name)

        failures = []
        for schema, *texts in json.load(open(sys.argv[1], encoding="utf-8")):
            Draft202012Validator.check_schema(schema)
            validator = Draft202012Validator(schema, format_checker=checker)
            for text in texts:
                try:
                    value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
                    error = next(validator.iter_errors(value), None)
                    if error:
                        failures.append(f"{text[:300]}: {error.message[:200]} (at {list(error.schema_path)} of {schema})"[:2000])
                except Exception as error:
                    failures.append(f"{text[:300]}: {error!r}")
        print(json.dumps(failures))
        """#
}
