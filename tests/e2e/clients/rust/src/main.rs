//! rumqttc: publishes numbered messages in rounds, each with a connection of its own, all with one session.
//!
//! client PORT VERSION QOS COUNT CLIENT TOPIC WINDOW ROUNDS; exit status 0 when each of them has its acknowledgement.

use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(20); // between two tries to connect

struct Task {
    port: u16,
    qos: u8,
    client: String,
    topic: String,
    window: u16,
}

/// The two versions are two modules of the same shape.
macro_rules! publish_round {
    ($name:ident, $qos:path, $event:path, $packet:path, $options:expr, $client:path) => {
        async fn $name(task: &Task, first: u64, end: u64) {
            use $client as Client;
            use $event as Event;
            use $packet as Packet;
            use $qos as QoS;
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][task.qos as usize];
            let (client, mut events) = Client::new($options(task), 10);
            let sender = client.clone();
            let topic = task.topic.clone();
            let sending = tokio::spawn(async move {
                for number in first..end {
                    let text = format!("{{\"n\":{number}}}");
                    sender.publish(topic.clone(), qos, false, text).await.expect("the event loop has gone");
                }
            });
            let mut left = end - first;
            while left > 0 {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::PubAck(_))) if task.qos == 1 => left -= 1,
                    Ok(Event::Incoming(Packet::PubComp(_))) if task.qos == 2 => left -= 1,
                    Ok(Event::Outgoing(rumqttc::Outgoing::Publish(_))) if task.qos == 0 => left -= 1,
                    Ok(_) => (),
                    Err(error) => {
                        eprintln!("{error}");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            sending.await.expect("sending");
            client.disconnect().await.expect("the event loop has gone");
            while let Ok(event) = events.poll().await {
                if let Event::Outgoing(rumqttc::Outgoing::Disconnect) = event {
                    break;
                }
            }
            while events.poll().await.is_ok() {}
        }
    };
}

fn options_4(task: &Task) -> rumqttc::MqttOptions {
    let mut options = rumqttc::MqttOptions::new(&task.client, "127.0.0.1", task.port);
    options.set_clean_session(false).set_inflight(task.window).set_keep_alive(Duration::from_secs(60));
    options
}

fn options_5(task: &Task) -> rumqttc::v5::MqttOptions {
    let mut options = rumqttc::v5::MqttOptions::new(&task.client, "127.0.0.1", task.port);
    options.set_clean_start(false).set_session_expiry_interval(Some(600));
    options.set_outgoing_inflight_upper_limit(task.window).set_keep_alive(Duration::from_secs(60));
    options
}

publish_round!(publish_round_4, rumqttc::QoS, rumqttc::Event, rumqttc::Packet, options_4, rumqttc::AsyncClient);
publish_round!(publish_round_5, rumqttc::v5::mqttbytes::QoS, rumqttc::v5::Event, rumqttc::v5::mqttbytes::v5::Packet, options_5,
    rumqttc::v5::AsyncClient);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| words[index].parse::<u64>().expect("a number");
    let task = Task {
        port: number(0) as u16,
        qos: number(2) as u8,
        client: words[4].clone(),
        topic: words[5].clone(),
        window: number(6) as u16,
    };
    let (count, rounds) = (number(3), number(7));
    for round in 0..rounds {
        let (first, end) = (count * round / rounds, count * (round + 1) / rounds);
        if number(1) == 5 {
            publish_round_5(&task, first, end).await;
        } else {
            publish_round_4(&task, first, end).await;
        }
    }
}
