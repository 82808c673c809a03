//! What the words of an MQTT 5 broker mean for a message and for a subscription.

use rumqttc::v5::mqttbytes::v5::{PubAckProperties, SubAck};

use super::*;

fn said(reason: PubAckReason) -> Answer {
    answer(&PubAck {
        pkid: 1,
        reason,
        properties: Some(PubAckProperties {
            reason_string: Some("because".into()),
            user_properties: Vec::new(),
        }),
    })
}

#[test]
fn a_message_that_nobody_listens_to_is_taken() {
    for reason in [PubAckReason::Success, PubAckReason::NoMatchingSubscribers] {
        assert_eq!(said(reason), Answer::Taken);
    }
}

#[test]
fn a_refusal_is_for_ever_or_for_now_and_says_why() {
    for reason in [
        PubAckReason::NotAuthorized,
        PubAckReason::TopicNameInvalid,
        PubAckReason::PayloadFormatInvalid,
    ] {
        assert!(matches!(said(reason), Answer::Denied(why) if why.ends_with(": because")));
    }
    for reason in [
        PubAckReason::UnspecifiedError,
        PubAckReason::ImplementationSpecificError,
        PubAckReason::PacketIdentifierInUse,
        PubAckReason::QuotaExceeded,
    ] {
        assert!(matches!(said(reason), Answer::Later(_)));
    }
    assert_eq!(
        said(PubAckReason::NotAuthorized),
        Answer::Denied("not authorized: because".into())
    );
}

#[test]
fn a_refused_subscription_names_its_topics() {
    let ack = SubAck {
        pkid: 1,
        return_codes: vec![
            SubscribeReasonCode::Success(QoS::AtLeastOnce),
            SubscribeReasonCode::NotAuthorized,
        ],
        properties: None,
    };
    let (ask, asked) = crossbeam_channel::bounded(1);
    ask.send(vec!["a/b".into(), "c/d".into()]).unwrap();
    let codes = ack.return_codes.iter().map(|code| match code {
        SubscribeReasonCode::Success(_) => None,
        refusal => Some(fault::words(refusal)),
    });
    assert_eq!(
        subscribed(&asked, codes),
        Happening::Subscribed(Err("c/d (not authorized)".into()))
    );
}
