/// The instructions of the pickle machine, protocols 2 to 5 (Python's `pickletools`).
///
/// Instructions that only protocols 0 and 1 use are left out, except for two that are named in errors.
enum PickleOpcode: UInt8 {
    case mark = 0x28  // (
    case stop = 0x2E  // .
    case pop = 0x30  // 0
    case popMark = 0x31  // 1
    case duplicate = 0x32  // 2
    case binaryFloat = 0x47  // G
    case binaryInteger = 0x4A  // J
    case binaryInteger1 = 0x4B  // K
    case binaryInteger2 = 0x4D  // M
    case none = 0x4E  // N
    case persistentText = 0x50  // P
    case persistent = 0x51  // Q
    case reduce = 0x52  // R
    case binaryString = 0x54  // T
    case shortBinaryString = 0x55  // U
    case binaryUnicode = 0x58  // X
    case append = 0x61  // a
    case build = 0x62  // b
    case global = 0x63  // c
    case appends = 0x65  // e
    case binaryGet = 0x68  // h
    case instance = 0x69  // i
    case longBinaryGet = 0x6A  // j
    case object = 0x6F  // o
    case binaryPut = 0x71  // q
    case longBinaryPut = 0x72  // r
    case setItem = 0x73  // s
    case tuple = 0x74  // t
    case setItems = 0x75  // u
    case emptyDictionary = 0x7D  // }
    case emptyTuple = 0x29  // )
    case emptyList = 0x5D  // ]
    case binaryBytes = 0x42  // B
    case shortBinaryBytes = 0x43  // C
    case proto = 0x80
    case newObject = 0x81
    case extension1 = 0x82
    case extension2 = 0x83
    case extension4 = 0x84
    case tuple1 = 0x85
    case tuple2 = 0x86
    case tuple3 = 0x87
    case newTrue = 0x88
    case newFalse = 0x89
    case long1 = 0x8A
    case long4 = 0x8B
    case shortBinaryUnicode = 0x8C
    case binaryUnicode8 = 0x8D
    case binaryBytes8 = 0x8E
    case emptySet = 0x8F
    case addItems = 0x90
    case frozenSet = 0x91
    case newObjectExtended = 0x92
    case stackGlobal = 0x93
    case memoize = 0x94
    case frame = 0x95
    case byteArray8 = 0x96
    case nextBuffer = 0x97
    case readOnlyBuffer = 0x98

    /// The name in `pickletools` of an instruction that runs code or fetches objects from elsewhere.
    var forbiddenName: String? {
        switch self {
        case .instance: "INST"
        case .object: "OBJ"
        case .newObject: "NEWOBJ"
        case .newObjectExtended: "NEWOBJ_EX"
        case .extension1: "EXT1"
        case .extension2: "EXT2"
        case .extension4: "EXT4"
        case .persistentText: "PERSID"
        case .nextBuffer: "NEXT_BUFFER"
        case .readOnlyBuffer: "READONLY_BUFFER"
        default: nil
        }
    }
}
