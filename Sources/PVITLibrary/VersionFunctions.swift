import CPVIT
import Storage

/// `pvit_version_number`, which pvit.h describes.
@c @implementation
public func pvit_version_number() -> UInt32 {
    UInt32(PVIT_VERSION_MAJOR * 1_000_000 + PVIT_VERSION_MINOR * 1000 + PVIT_VERSION_PATCH)
}

private let versionText = CString(ToolVersion.text)

/// `pvit_version_text`, which pvit.h describes.
@c @implementation
public func pvit_version_text() -> UnsafePointer<CChar>? { UnsafePointer(versionText.start) }
