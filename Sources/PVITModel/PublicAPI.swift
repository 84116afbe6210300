// What the signatures of this module's public declarations need from the modules below it. A program that embeds the
// library imports PVITModel alone.
@_exported import enum LanguageModel.KVCacheStorage
@_exported import struct LanguageModel.SamplingOptions
@_exported import struct Storage.ByteCount
@_exported import struct Storage.PVITError
@_exported import struct SystemPackage.FilePath
@_exported import struct Tensors.TokenID
@_exported import enum Vision.ImageOrientation
@_exported import struct Vision.PixelImage
@_exported import struct Vision.PixelSize
@_exported import struct Vision.PreparedImage
