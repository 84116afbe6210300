import Quantization
import Testing
