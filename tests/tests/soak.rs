//! The example that makes and drops nodes by the thousand, with fewer of them.

#[allow(dead_code, reason = "its command line is not used here")]
#[path = "../../runtime-tokio/examples/soak.rs"]
mod example;

use example::Amounts;

#[test]
fn what_nodes_and_peers_took_they_give_back() {
    let args = ["in-memory=2000", "sockets=400", "peers=200", "group=100"].map(String::from);
    let amounts = Amounts::parse(args.into_iter()).expect("it is understood");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let soaking = async { example::soak(amounts).await.expect("it works") };
    let rows = runtime.expect("a runtime").block_on(soaking);
    for row in &rows {
        println!("{row}");
    }
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.is_good() != Some(false)), "{rows:#?}");
}
