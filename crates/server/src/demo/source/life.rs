//! The life cycles: which notification may follow which, and who each is for.

use fastrand::Rng;

/// A stage of a life cycle, told by one notification.
#[derive(Debug)]
pub(super) struct Stage {
    /// The type of its notification.
    pub(super) kind: &'static str,
    /// Who hears of it.
    pub(super) rooms: &'static [&'static str],
    /// What may come next, each with its weight; none ends the story, and so does drawing `None`.
    next: &'static [(u32, Option<&'static Stage>)],
}

impl Stage {
    /// Draws what comes next; `None` where the story ends.
    pub(super) fn follow(&self, rng: &mut Rng) -> Option<&'static Self> {
        let total: u32 = self.next.iter().map(|(weight, _)| weight).sum();
        let mut drawn = rng.u32(..total.max(1));
        for (weight, stage) in self.next {
            if drawn < *weight {
                return *stage;
            }
            drawn -= weight;
        }
        None
    }
}

/// What a story is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trade {
    Order,
    Build,
    Comment,
    Payment,
    Alert,
}

impl Trade {
    /// Draws a trade; orders and comments are the commonest.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.u8(0..16) {
            0..=4 => Self::Order,
            5..=7 => Self::Build,
            8..=11 => Self::Comment,
            12..=13 => Self::Payment,
            _ => Self::Alert,
        }
    }

    /// Where its stories begin.
    pub(super) fn first(self) -> &'static Stage {
        match self {
            Self::Order => &ORDER_CREATED,
            Self::Build => &BUILD_QUEUED,
            Self::Comment => &COMMENT_ADDED,
            Self::Payment => &PAYMENT_AUTHORISED,
            Self::Alert => &ALERT_RAISED,
        }
    }
}

static ORDER_CREATED: Stage = Stage {
    kind: "order.created",
    rooms: &["kitchen"],
    next: &[(9, Some(&ORDER_PAID)), (1, Some(&ORDER_CANCELLED))],
};
static ORDER_PAID: Stage =
    Stage { kind: "order.paid", rooms: &["kitchen", "payments"], next: &[(1, Some(&ORDER_PACKED))] };
static ORDER_PACKED: Stage =
    Stage { kind: "order.packed", rooms: &["kitchen"], next: &[(1, Some(&ORDER_SHIPPED))] };
static ORDER_SHIPPED: Stage =
    Stage { kind: "order.shipped", rooms: &["kitchen"], next: &[(1, Some(&ORDER_DELIVERED))] };
static ORDER_DELIVERED: Stage = Stage { kind: "order.delivered", rooms: &["kitchen"], next: &[] };
static ORDER_CANCELLED: Stage = Stage { kind: "order.cancelled", rooms: &["kitchen"], next: &[] };

static BUILD_QUEUED: Stage =
    Stage { kind: "build.queued", rooms: &["builds"], next: &[(1, Some(&BUILD_STARTED))] };
static BUILD_STARTED: Stage = Stage {
    kind: "build.started",
    rooms: &["builds"],
    next: &[(4, Some(&BUILD_FINISHED)), (1, Some(&BUILD_FAILED))],
};
static BUILD_FINISHED: Stage = Stage { kind: "build.finished", rooms: &["builds"], next: &[] };
static BUILD_FAILED: Stage = Stage { kind: "build.failed", rooms: &["builds", "alerts"], next: &[] };

static COMMENT_ADDED: Stage = Stage {
    kind: "comment.added",
    rooms: &["comments"],
    next: &[(2, Some(&COMMENT_ADDED)), (2, Some(&COMMENT_RESOLVED)), (1, None)],
};
static COMMENT_RESOLVED: Stage = Stage { kind: "comment.resolved", rooms: &["comments"], next: &[] };

static PAYMENT_AUTHORISED: Stage = Stage {
    kind: "payment.authorised",
    rooms: &["payments"],
    next: &[(9, Some(&PAYMENT_CAPTURED)), (1, Some(&PAYMENT_VOIDED))],
};
static PAYMENT_CAPTURED: Stage = Stage {
    kind: "payment.captured",
    rooms: &["payments"],
    next: &[(1, Some(&PAYMENT_REFUNDED)), (5, None)],
};
static PAYMENT_REFUNDED: Stage =
    Stage { kind: "payment.refunded", rooms: &["payments", "kitchen"], next: &[] };
static PAYMENT_VOIDED: Stage = Stage { kind: "payment.voided", rooms: &["payments"], next: &[] };

static ALERT_RAISED: Stage =
    Stage { kind: "alert.raised", rooms: &["alerts"], next: &[(1, Some(&ALERT_ACKNOWLEDGED))] };
static ALERT_ACKNOWLEDGED: Stage =
    Stage { kind: "alert.acknowledged", rooms: &["alerts"], next: &[(1, Some(&ALERT_RESOLVED))] };
static ALERT_RESOLVED: Stage = Stage { kind: "alert.resolved", rooms: &["alerts"], next: &[] };
