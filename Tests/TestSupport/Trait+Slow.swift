import Glibc
import Testing

extension Trait where Self == ConditionTrait {
    /// Marks tests that take long. `tools/test --fast` leaves them out.
    public static var slow: Self { .disabled(if: getenv("PVIT_TEST_FAST") != nil, "left out of the fast tests") }
}
