import LanguageModel

/// Chooses how many tokens a draft model guesses.
///
/// A guess costs a step of the draft model and a row in the model's pass. It saves the time of a token if it and all
/// guesses before it are accepted. The probability of that is estimated from the draft model's confidence and from what
/// was accepted before. Times are measured if the text does not depend on the guesses; otherwise they are estimated
/// from the sizes of the models, so that a seed gives the same text each time.
struct DraftPace {
    /// The maximum number of guesses at a time.
    var limit: Int { Self.limit }
    static let limit = 16
    /// The number of tokens guessed, the number of them that were accepted, and the time that guessing took.
    private(set) var guessedCount = 0
    private(set) var acceptedCount = 0
    private(set) var time = Duration.zero

    /// Times of the passes of the model and of the draft model's steps. One pass of one token takes 1 until times are
    /// measured.
    private var costs: DraftCosts
    private let measures: Bool
    /// Accepted guesses, and all that were checked, by confidence. Older ones count less.
    private var outcomes = [(accepted: Double, checked: Double)](repeating: (0, 0), count: Self.classCount)
    /// The probability that all guesses of the current draft are accepted.
    private var reach = 1.0
    /// The number of passes to go without guesses, and the number after the next time that guessing does not pay.
    private var pause = 0
    private var nextPause = 1
    /// Whether the next guess is the first one of a draft, and whether it is made however unlikely it is.
    private var isFirst = true
    private var isTrial = false
    /// The number of drafts without a guess since the last trial, and how many there are between trials.
    private var emptyCount = 0
    private var trialDistance = 0

    private static let classCount = 8
    private static let longestPause = 32
    /// How many outcomes a class remembers.
    private static let memory = 64.0
    /// What is believed before anything was checked, worth this many outcomes.
    private static let prior = 2.0
    private static let priorAcceptance = 0.7

    /// - Parameters:
    ///   - relativeCost: The time of a step of the draft model, relative to a pass of the model.
    ///   - measures: Whether to replace estimated times by measured ones.
    init(relativeCost: Double, measures: Bool) {
        costs = DraftCosts(relativeStep: relativeCost)
        self.measures = measures
    }

    /// Whether to guess now.
    mutating func begins() -> Bool {
        (reach, isFirst, isTrial) = (1, true, false)
        guard pause == 0 else {
            pause -= 1
            return false
        }
        if isWorthwhile { return true }
        // Try a guess now and then: the text may have become easier.
        isTrial = true
        pause = nextPause
        nextPause = min(2 * nextPause, Self.longestPause)
        return true
    }

    /// Whether to guess a token of which the draft model is this sure.
    mutating func includes(confidence: Double) -> Bool {
        defer { isFirst = false }
        reach *= acceptance(confidence)
        if reach * costs.token > costs.row { return true }
        guard isFirst else { return false }
        if isTrial { return true }
        // A model that is seldom sure may be right nevertheless.
        emptyCount += 1
        guard emptyCount > trialDistance else { return false }
        (emptyCount, trialDistance) = (0, min(2 * trialDistance + 1, Self.longestPause))
        return true
    }

    /// Whether to go on after a guess.
    func continues() -> Bool { isWorthwhile }

    /// Records how long the draft model took to read `count` tokens.
    mutating func recordStep(of count: Int, _ time: Duration) {
        self.time += time
        if measures, count <= 2 { costs.recordStep(time.seconds) }
    }

    /// Records a pass of the model.
    ///
    /// - Parameters:
    ///   - rows: The number of tokens that it read.
    ///   - guesses: The guesses among them; none if they were not the draft model's.
    ///   - accepted: How many of them were accepted.
    mutating func recordPass(rows: Int, _ time: Duration, guesses: [GuessedToken], accepted: Int) {
        if measures { costs.recordPass(rows: rows, time.seconds) }
        guessedCount += guesses.count
        acceptedCount += accepted
        if !guesses.isEmpty, accepted > 0 { trialDistance = 0 }
        // Guesses after the first wrong one were not judged.
        for (index, guess) in guesses.prefix(accepted + 1).enumerated() {
            let number = Self.number(ofClass: guess.confidence)
            if outcomes[number].checked >= Self.memory {
                outcomes[number] = (outcomes[number].accepted / 2, outcomes[number].checked / 2)
            }
            outcomes[number].checked += 1
            if index < accepted { outcomes[number].accepted += 1 }
        }
        if isWorthwhile { nextPause = 1 }
    }

    /// Whether another step of the draft model saves more than it costs.
    private var isWorthwhile: Bool { reach * meanAcceptance * costs.token > costs.step + costs.row }

    private var meanAcceptance: Double {
        let (accepted, checked) = outcomes.reduce((0.0, 0.0)) { ($0.0 + $1.accepted, $0.1 + $1.checked) }
        return (accepted + Self.prior * Self.priorAcceptance) / (checked + Self.prior)
    }

    private func acceptance(_ confidence: Double) -> Double {
        let (accepted, checked) = outcomes[Self.number(ofClass: confidence)]
        return (accepted + Self.prior * confidence) / (checked + Self.prior)
    }

    private static func number(ofClass confidence: Double) -> Int {
        min(max(Int(confidence * Double(classCount)), 0), classCount - 1)
    }
}

/// What passes of a model and steps of a draft model cost, in any unit of time.
struct DraftCosts {
    /// A step of the draft model.
    private(set) var step: Double
    /// Another row in a pass of the model.
    private(set) var row: Double
    /// A token without guesses: a pass of one row.
    private(set) var token = 1.0

    private let relativeStep: Double
    private var hasSteps = false
    /// Decaying sums over passes: weight, rows, squared rows, time, rows × time.
    private var sums = [0.0, 0, 0, 0, 0]

    private static let decay = 0.95
    /// What a row costs relative to a pass, before passes of different lengths were measured.
    private static let relativeRow = 0.05

    init(relativeStep: Double) {
        self.relativeStep = relativeStep
        step = relativeStep
        row = Self.relativeRow
    }

    mutating func recordStep(_ time: Double) {
        step = hasSteps ? 0.9 * step + 0.1 * time : time
        hasSteps = true
    }

    /// Fits time = token + row × (rows - 1) to the passes so far.
    mutating func recordPass(rows: Int, _ time: Double) {
        let rows = Double(rows)
        for (index, value) in [1, rows, rows * rows, time, rows * time].enumerated() {
            sums[index] = Self.decay * sums[index] + value
        }
        let (meanRows, meanTime) = (sums[1] / sums[0], sums[3] / sums[0])
        let variance = sums[2] / sums[0] - meanRows * meanRows
        let slope =
            variance > 0.25
            ? (sums[4] / sums[0] - meanRows * meanTime) / variance : Self.relativeRow * meanTime
        row = min(max(slope, 0), meanTime / meanRows)
        token = meanTime - row * (meanRows - 1)
        if !hasSteps { step = relativeStep * token }
    }
}
