// What the signatures of this module's public declarations need from the modules below it. A program that embeds the
// library imports PVITModel alone.
@_exported import class Compute.ComputeEngine
@_exported import enum Compute.InstructionSet
@_exported import struct Compute.StreamStatistics
@_exported import struct LanguageModel.KVCache
@_exported import struct LanguageModel.MemoryPlan
@_exported import struct LanguageModel.SamplingOptions
@_exported import struct Storage.ByteCount
@_exported import struct Storage.PVITError
@_exported import struct Tensors.TokenID
@_exported import struct Vision.ImageHeader
@_exported import enum Vision.ImageOrientation
@_exported import struct Vision.PixelImage
@_exported import struct Vision.PixelSize
@_exported import struct Vision.PreparedImage
