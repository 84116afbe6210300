import Platform
import Storage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The functions of OpenBLAS that the program uses, with the names and arguments of CBLAS and LAPACK.
///
/// The library is loaded when it is first needed, because only calibration needs it. It works on one thread: the
/// program splits the work itself, in the same way for any number of threads, so that results do not depend on it.
struct OpenBLAS: Sendable {
    typealias SingleGemm =
        @convention(c) (
            _ order: Int32, _ transposeA: Int32, _ transposeB: Int32, _ m: Int32, _ n: Int32, _ k: Int32,
            _ alpha: Float, _ a: UnsafePointer<Float>?, _ lda: Int32, _ b: UnsafePointer<Float>?, _ ldb: Int32,
            _ beta: Float, _ c: UnsafeMutablePointer<Float>?, _ ldc: Int32
        ) -> Void
    typealias DoubleGemm =
        @convention(c) (
            _ order: Int32, _ transposeA: Int32, _ transposeB: Int32, _ m: Int32, _ n: Int32, _ k: Int32,
            _ alpha: Double, _ a: UnsafePointer<Double>?, _ lda: Int32, _ b: UnsafePointer<Double>?, _ ldb: Int32,
            _ beta: Double, _ c: UnsafeMutablePointer<Double>?, _ ldc: Int32
        ) -> Void
    typealias SingleSyrk =
        @convention(c) (
            _ order: Int32, _ triangle: Int32, _ transpose: Int32, _ n: Int32, _ k: Int32, _ alpha: Float,
            _ a: UnsafePointer<Float>?, _ lda: Int32, _ beta: Float, _ c: UnsafeMutablePointer<Float>?, _ ldc: Int32
        ) -> Void
    typealias DoubleSyrk =
        @convention(c) (
            _ order: Int32, _ triangle: Int32, _ transpose: Int32, _ n: Int32, _ k: Int32, _ alpha: Double,
            _ a: UnsafePointer<Double>?, _ lda: Int32, _ beta: Double, _ c: UnsafeMutablePointer<Double>?, _ ldc: Int32
        ) -> Void
    typealias SingleTrsm =
        @convention(c) (
            _ order: Int32, _ side: Int32, _ triangle: Int32, _ transpose: Int32, _ diagonal: Int32, _ m: Int32,
            _ n: Int32, _ alpha: Float, _ a: UnsafePointer<Float>?, _ lda: Int32, _ b: UnsafeMutablePointer<Float>?,
            _ ldb: Int32
        ) -> Void
    typealias DoubleTrsm =
        @convention(c) (
            _ order: Int32, _ side: Int32, _ triangle: Int32, _ transpose: Int32, _ diagonal: Int32, _ m: Int32,
            _ n: Int32, _ alpha: Double, _ a: UnsafePointer<Double>?, _ lda: Int32, _ b: UnsafeMutablePointer<Double>?,
            _ ldb: Int32
        ) -> Void
    /// The last argument is the length of the first one, as Fortran passes it.
    typealias Potrf =
        @convention(c) (
            _ triangle: UnsafePointer<CChar>?, _ n: UnsafePointer<Int32>?, _ a: UnsafeMutablePointer<Double>?,
            _ lda: UnsafePointer<Int32>?, _ info: UnsafeMutablePointer<Int32>?, _ triangleLength: Int
        ) -> Void

    // The enumerations of CBLAS.
    static let rowMajor: Int32 = 101
    static let asIs: Int32 = 111
    static let transposed: Int32 = 112
    static let upper: Int32 = 121
    static let anyDiagonal: Int32 = 131
    static let unitDiagonal: Int32 = 132
    static let right: Int32 = 142

    let sgemm: SingleGemm
    let dgemm: DoubleGemm
    let ssyrk: SingleSyrk
    let dsyrk: DoubleSyrk
    let strsm: SingleTrsm
    let dtrsm: DoubleTrsm
    let dpotrf: Potrf

    private static let loaded = load()

    /// The library.
    ///
    /// - Throws: `calibrate.no-openblas` if the system does not have it.
    static func shared() throws -> OpenBLAS {
        guard let loaded else {
            throw PVITError(
                .noOpenBLAS, "calibration and --bits need OpenBLAS, and libopenblas.so.0 was not found",
                remedy: "install it, such as with `apt install libopenblas0`, or leave out --calibration and --bits")
        }
        return loaded
    }

    private static func load() -> OpenBLAS? {
        // Read once, when the library is loaded: it then starts no threads.
        setenv("OPENBLAS_NUM_THREADS", "1", 1)
        guard let library = DynamicLibrary(names: ["libopenblas.so.0", "libopenblas.so"]),
            let sgemm = library.address(of: "cblas_sgemm"), let dgemm = library.address(of: "cblas_dgemm"),
            let ssyrk = library.address(of: "cblas_ssyrk"), let dsyrk = library.address(of: "cblas_dsyrk"),
            let strsm = library.address(of: "cblas_strsm"),
            let dtrsm = library.address(of: "cblas_dtrsm"), let dpotrf = library.address(of: "dpotrf_")
        else { return nil }
        return OpenBLAS(
            sgemm: unsafeBitCast(sgemm, to: SingleGemm.self), dgemm: unsafeBitCast(dgemm, to: DoubleGemm.self),
            ssyrk: unsafeBitCast(ssyrk, to: SingleSyrk.self), dsyrk: unsafeBitCast(dsyrk, to: DoubleSyrk.self),
            strsm: unsafeBitCast(strsm, to: SingleTrsm.self),
            dtrsm: unsafeBitCast(dtrsm, to: DoubleTrsm.self), dpotrf: unsafeBitCast(dpotrf, to: Potrf.self))
    }
}

extension PVITError.Code {
    /// OpenBLAS is not installed.
    package static let noOpenBLAS = Self("calibrate.no-openblas", .missingInput)
}
